// Potentials: one word for each group of neurons, read a cycle before it is needed. A single word is a register.
`timescale 1ns / 1ns
`default_nettype none

module @{NAME}_ram #(
    parameter DEPTH = 1,
    parameter ADDRESS_BITS = 1,
    parameter WIDTH = 1
) (
    input  wire                    clk,
    input  wire                    read,
    input  wire [ADDRESS_BITS-1:0] read_address,
    output wire [WIDTH-1:0]        read_data,
    input  wire                    write,
    input  wire [ADDRESS_BITS-1:0] write_address,
    input  wire [WIDTH-1:0]        write_data
);

    generate
        if (DEPTH == 1) begin : single
            reg [WIDTH-1:0] word;
            wire unused_addresses = &{1'b0, read, read_address, write_address};

            always @(posedge clk) if (write) word <= write_data;
            assign read_data = word;
        end else begin : many
            // A word is never read in the cycle in which it is written: groups are visited in turn.
            (* no_rw_check *) reg [WIDTH-1:0] words [0:DEPTH-1];
            reg [WIDTH-1:0] word;

            always @(posedge clk) begin
                if (write) words[write_address] <= write_data;
                if (read) word <= words[read_address];
            end
            assign read_data = word;
        end
    endgenerate

endmodule

`default_nettype wire
