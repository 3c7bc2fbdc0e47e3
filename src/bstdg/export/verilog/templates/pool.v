// A layer of neurons that fire at the n-th spike of their window. They count, and since a count never falls, one fires
// when its n-th spike comes, not only at the end of the step: spikes go on in the order in which they come about.
//
// A word holds the counts of all maps at a position. After `clear` all are set to 0, which takes a cycle a position.
//
// Stage A finds the address and reads; stage B, a cycle later, counts and writes back.
`timescale 1ns / 1ns
`default_nettype none

module @{NAME}_pool #(
    parameter ROWS = 1,
    parameter ROW_BITS = 1,
    parameter COLUMNS = 1,
    parameter COLUMN_BITS = 1,
    parameter MAPS = 1,
    parameter MAP_BITS = 1,
    parameter HIGH = 1,
    parameter HIGH_BITS = 1,
    parameter WIDE = 1,
    parameter WIDE_BITS = 1,
    parameter PLACE_BITS = 1,
    parameter NEURON_BITS = 1,
    parameter COUNT = 1,  // n
    parameter COUNT_BITS = 1,
    parameter ROW_TABLE = "",
    parameter COLUMN_TABLE = ""
) (
    input  wire                   clk,
    input  wire                   clear,
    input  wire                   in_valid,
    output wire                   in_ready,
    input  wire                   in_end,
    input  wire [MAP_BITS-1:0]    in_channel,
    input  wire [ROW_BITS-1:0]    in_row,
    input  wire [COLUMN_BITS-1:0] in_column,
    output reg                    out_valid,
    input  wire                   out_ready,
    output reg                    out_end,
    output reg  [MAP_BITS-1:0]    out_map,
    output reg  [HIGH_BITS-1:0]   out_row,
    output reg  [WIDE_BITS-1:0]   out_column,
    output wire [NEURON_BITS-1:0] out_neuron  // (row * WIDE + column) * MAPS + map
);

    localparam OFFSET_BITS = MAP_BITS + $clog2(COUNT_BITS) + 1;
    localparam BEFORE = COUNT - 1;

    wire walking, ending, sweeping, last, unused_tap;
    wire [MAP_BITS-1:0] map;
    wire [HIGH_BITS-1:0] row;
    wire [WIDE_BITS-1:0] column;
    wire [PLACE_BITS-1:0] place;
    wire unused_last = &{1'b0, last};

    reg valid_b = 1'b0;
    reg ending_b, sweeping_b;
    reg [MAP_BITS-1:0] map_b;
    reg [HIGH_BITS-1:0] row_b;
    reg [WIDE_BITS-1:0] column_b;
    reg [PLACE_BITS-1:0] place_b, out_place;
    wire stall = out_valid && !out_ready;
    wire busy_b = valid_b && place_b == place;  // what is read now is written in this cycle: wait for it
    wire go = walking && !stall && !busy_b;

    @{NAME}_walk #(
        .CHANNELS(MAPS),
        .CHANNEL_BITS(MAP_BITS),
        .ROWS(ROWS),
        .ROW_BITS(ROW_BITS),
        .COLUMNS(COLUMNS),
        .COLUMN_BITS(COLUMN_BITS),
        .HIGH(HIGH),
        .HIGH_BITS(HIGH_BITS),
        .WIDE(WIDE),
        .WIDE_BITS(WIDE_BITS),
        .PLACE_BITS(PLACE_BITS),
        .ABOUT_BITS(MAP_BITS),
        .ROW_TABLE(ROW_TABLE),
        .COLUMN_TABLE(COLUMN_TABLE)
    ) walk (
        .clk(clk),
        .clear(clear),
        .in_valid(in_valid),
        .in_ready(in_ready),
        .in_end(in_end),
        .in_channel(in_channel),
        .in_row(in_row),
        .in_column(in_column),
        .valid(walking),
        .next(go),
        .ending(ending),
        .sweeping(sweeping),
        .about(map),
        .row(row),
        .column(column),
        .place(place),
        .tap(unused_tap),
        .last(last)
    );

    always @(posedge clk) begin
        if (clear) valid_b <= 1'b0;
        else if (!stall) valid_b <= go;
        if (go) begin
            ending_b <= ending;
            sweeping_b <= sweeping;
            map_b <= map;
            row_b <= row;
            column_b <= column;
            place_b <= place;
        end
    end

    // Stage B.
    wire work = valid_b && !stall;
    wire [MAPS*COUNT_BITS-1:0] held;
    reg [MAPS*COUNT_BITS-1:0] kept;
    @{NAME}_ram #(
        .DEPTH(HIGH * WIDE),
        .ADDRESS_BITS(PLACE_BITS),
        .WIDTH(MAPS * COUNT_BITS)
    ) counts (
        .clk(clk),
        .read(go),
        .read_address(place),
        .read_data(held),
        .write(work && !ending_b),
        .write_address(place_b),
        .write_data(kept)
    );

    wire [OFFSET_BITS-1:0] at = {{(OFFSET_BITS - MAP_BITS){1'b0}}, map_b};
    wire [COUNT_BITS-1:0] count = held[at * COUNT_BITS +: COUNT_BITS];
    wire fires = !ending_b && !sweeping_b && count == BEFORE[COUNT_BITS-1:0];
    always @* begin
        kept = held;
        if (sweeping_b) kept = {MAPS*COUNT_BITS{1'b0}};
        else if (count != COUNT[COUNT_BITS-1:0]) kept[at * COUNT_BITS +: COUNT_BITS] = count + 1'b1;
    end

    always @(posedge clk) begin
        if (clear) out_valid <= 1'b0;
        else if (!stall) out_valid <= valid_b && (fires || ending_b);
        if (work) begin
            out_end <= ending_b;
            out_map <= map_b;
            out_row <= row_b;
            out_column <= column_b;
            out_place <= place_b;
        end
    end

    wire [NEURON_BITS:0] first = {{(NEURON_BITS - PLACE_BITS + 1){1'b0}}, out_place} * MAPS[NEURON_BITS:0];
    wire unused_first = &{1'b0, first[NEURON_BITS]};
    assign out_neuron = first[NEURON_BITS-1:0] + {{(NEURON_BITS - MAP_BITS){1'b0}}, out_map};

endmodule

`default_nettype wire
