// Compares a stream with its part of a file, from one place to another.
`timescale 1ns / 1ns
`default_nettype none

module @{NAME}_stream #(
    parameter ITEMS = 1,
    parameter FILE = ""
) (
    input  wire        clk,
    input  wire        restart,
    input  wire [31:0] from,
    input  wire        valid,
    input  wire [16:0] item,
    output reg  [31:0] at,
    output reg         wrong
);

    reg [16:0] items [0:ITEMS-1];
    initial $readmemh(FILE, items);

    always @(posedge clk) begin
        if (restart) begin
            at <= from;
            wrong <= 1'b0;
        end else if (valid) begin
            at <= at + 1;
            if (at >= ITEMS) wrong <= 1'b1;
            else if (item !== items[at]) wrong <= 1'b1;
        end
    end

endmodule

`default_nettype wire
