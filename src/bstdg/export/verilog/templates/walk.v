// The address generator of a layer whose windows slide: the positions that an event reaches, one after the other. It
// counts; where it begins and ends is looked up in tables, a line for every channel, row and column that comes in.
//
// The end of a step (`ending`) goes over all positions if SCAN is 1, over one if it is 0. `clear` forgets what is under
// way and goes over all positions too (`sweeping`). An item is looked up while the one before it is being walked.
`timescale 1ns / 1ns
`default_nettype none

module @{NAME}_walk #(
    parameter CHANNELS = 1,
    parameter CHANNEL_BITS = 1,
    parameter ROWS = 1,
    parameter ROW_BITS = 1,
    parameter COLUMNS = 1,
    parameter COLUMN_BITS = 1,
    parameter HIGH = 1,
    parameter HIGH_BITS = 1,
    parameter WIDE = 1,
    parameter WIDE_BITS = 1,
    parameter PLACE_BITS = 1,     // number positions, row * WIDE + column
    parameter TAP_BITS = 1,       // number places of the window, row by row
    parameter NEXT_ROW = 0,       // so many taps fewer at the position below
    parameter NEXT_COLUMN = 0,    // and at the position to the right
    parameter SCAN = 0,
    parameter LOOKUP = 0,         // 0: there is no table of channels, `about` is the channel
    parameter ABOUT_BITS = 1,
    parameter CHANNEL_TABLE = "",
    parameter ROW_TABLE = "",     // whether it is in a window, tap, position, last and first row
    parameter COLUMN_TABLE = ""   // whether it is in a window, tap, last and first column
) (
    input  wire                    clk,
    input  wire                    clear,
    input  wire                    in_valid,
    output wire                    in_ready,
    input  wire                    in_end,
    input  wire [CHANNEL_BITS-1:0] in_channel,
    input  wire [ROW_BITS-1:0]     in_row,
    input  wire [COLUMN_BITS-1:0]  in_column,
    output reg                     valid,  // there is a position
    input  wire                    next,   // it is done with
    output reg                     ending,
    output reg                     sweeping,
    output reg  [ABOUT_BITS-1:0]   about,
    output reg  [HIGH_BITS-1:0]    row,
    output reg  [WIDE_BITS-1:0]    column,
    output wire [PLACE_BITS-1:0]   place,
    output wire [TAP_BITS-1:0]     tap,
    output wire                    last
);

    localparam ROW_LINE = 1 + TAP_BITS + PLACE_BITS + 2 * HIGH_BITS;
    localparam COLUMN_LINE = 1 + TAP_BITS + 2 * WIDE_BITS;
    localparam [HIGH_BITS-1:0] LAST_ROW = HIGH[HIGH_BITS-1:0] - 1'b1;
    localparam [WIDE_BITS-1:0] LAST_COLUMN = WIDE[WIDE_BITS-1:0] - 1'b1;

    reg [ROW_LINE-1:0] rows [0:ROWS-1];
    reg [COLUMN_LINE-1:0] columns [0:COLUMNS-1];
    initial begin
        if (ROW_TABLE != "") $readmemh(ROW_TABLE, rows);
        if (COLUMN_TABLE != "") $readmemh(COLUMN_TABLE, columns);
    end

    // Looking up.
    reg looked = 1'b0, looked_end;
    reg [ROW_LINE-1:0] row_line;
    reg [COLUMN_LINE-1:0] column_line;
    wire [ABOUT_BITS-1:0] looked_about;
    wire load = looked && (!valid || (next && last));
    wire take = in_valid && in_ready;
    assign in_ready = !looked || load;

    always @(posedge clk) begin
        if (take && !in_end) begin
            row_line <= rows[in_row];
            column_line <= columns[in_column];
        end
    end

    generate
        if (LOOKUP != 0) begin : table_of_channels
            reg [ABOUT_BITS-1:0] channels [0:CHANNELS-1];
            reg [ABOUT_BITS-1:0] line;
            initial if (CHANNEL_TABLE != "") $readmemh(CHANNEL_TABLE, channels);

            always @(posedge clk) if (take && !in_end) line <= channels[in_channel];
            assign looked_about = line;
        end else begin : channel_itself
            reg [ABOUT_BITS-1:0] line;

            always @(posedge clk) if (take && !in_end) line <= in_channel;
            assign looked_about = line;
        end
    endgenerate

    wire row_inside, column_inside;
    wire [TAP_BITS-1:0] line_row_tap, line_column_tap;
    wire [PLACE_BITS-1:0] line_place;
    wire [HIGH_BITS-1:0] line_last_row, line_row;
    wire [WIDE_BITS-1:0] line_last_column, line_column;
    assign {row_inside, line_row_tap, line_place, line_last_row, line_row} = row_line;
    assign {column_inside, line_column_tap, line_last_column, line_column} = column_line;

    // Walking.
    reg [HIGH_BITS-1:0] last_row;
    reg [WIDE_BITS-1:0] first_column, last_column;
    reg [PLACE_BITS-1:0] row_place;
    reg [TAP_BITS-1:0] row_tap, column_tap, first_column_tap;
    wire row_over = column == last_column;
    assign last = row_over && row == last_row;
    assign place = row_place + {{(PLACE_BITS - WIDE_BITS){1'b0}}, column};
    assign tap = row_tap + column_tap;

    always @(posedge clk) begin
        if (clear) begin
            looked <= 1'b0;
            valid <= 1'b1;
            sweeping <= 1'b1;
            ending <= 1'b0;
        end else begin
            looked <= take || (looked && !load);
            if (take) looked_end <= in_end;
            if (load) begin
                valid <= looked_end || (row_inside && column_inside);
                sweeping <= 1'b0;
                ending <= looked_end;
            end else if (next && last) valid <= 1'b0;
        end
    end

    always @(posedge clk) begin
        if (clear || (load && looked_end)) begin
            row <= {HIGH_BITS{1'b0}};
            last_row <= clear || SCAN != 0 ? LAST_ROW : {HIGH_BITS{1'b0}};
            row_place <= {PLACE_BITS{1'b0}};
            column <= {WIDE_BITS{1'b0}};
            first_column <= {WIDE_BITS{1'b0}};
            last_column <= clear || SCAN != 0 ? LAST_COLUMN : {WIDE_BITS{1'b0}};
        end else if (load) begin
            about <= looked_about;
            row <= line_row;
            last_row <= line_last_row;
            row_place <= line_place;
            row_tap <= line_row_tap;
            column <= line_column;
            first_column <= line_column;
            last_column <= line_last_column;
            column_tap <= line_column_tap;
            first_column_tap <= line_column_tap;
        end else if (next && row_over) begin
            row <= row + 1'b1;
            row_place <= row_place + WIDE[PLACE_BITS-1:0];
            row_tap <= row_tap - NEXT_ROW[TAP_BITS-1:0];
            column <= first_column;
            column_tap <= first_column_tap;
        end else if (next) begin
            column <= column + 1'b1;
            column_tap <= column_tap - NEXT_COLUMN[TAP_BITS-1:0];
        end
    end

endmodule

`default_nettype wire
