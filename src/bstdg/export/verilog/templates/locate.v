// Finds the map, row and column of a channel in a table: a number comes in, where it is goes out a cycle later.
`timescale 1ns / 1ns
`default_nettype none

module @{NAME}_locate #(
    parameter CHANNELS = 1,
    parameter CHANNEL_BITS = 1,
    parameter MAP_BITS = 1,
    parameter ROW_BITS = 1,
    parameter COLUMN_BITS = 1,
    parameter PLACES = ""  // CHANNELS words: map, row, column
) (
    input  wire                    clk,
    input  wire                    clear,
    input  wire                    in_valid,
    output wire                    in_ready,
    input  wire                    in_end,
    input  wire [CHANNEL_BITS-1:0] in_channel,
    output wire                    out_valid,
    input  wire                    out_ready,
    output reg                     out_end,
    output wire [MAP_BITS-1:0]     out_map,
    output wire [ROW_BITS-1:0]     out_row,
    output wire [COLUMN_BITS-1:0]  out_column
);

    reg [MAP_BITS+ROW_BITS+COLUMN_BITS-1:0] places [0:CHANNELS-1];
    initial if (PLACES != "") $readmemh(PLACES, places);

    reg [MAP_BITS+ROW_BITS+COLUMN_BITS-1:0] line;
    reg valid = 1'b0;
    wire take = in_valid && in_ready;
    assign in_ready = !valid || out_ready;
    assign out_valid = valid;
    assign {out_map, out_row, out_column} = line;

    always @(posedge clk) if (take && !in_end) line <= places[in_channel];

    always @(posedge clk) begin
        if (clear) valid <= 1'b0;
        else if (in_ready) begin
            valid <= in_valid;
            out_end <= in_end;
        end
    end

endmodule

`default_nettype wire
