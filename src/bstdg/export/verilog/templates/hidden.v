// A hidden layer: at the end of a step it sends on the neurons that fire, lowest first, then the end of the step.
// While it sends, it takes in nothing.
`timescale 1ns / 1ns
`default_nettype none

module @{NAME}_hidden #(
    parameter CHANNELS = 1,
    parameter CHANNEL_BITS = 1,
    parameter NEURONS = 1,
    parameter NEURON_BITS = 1,
    parameter PARALLEL = 1,
    parameter LEAD_BITS = 2,
    parameter THRESHOLD_BITS = 2,
    parameter WEIGHTS = "",
    parameter THRESHOLDS = ""
) (
    input  wire                    clk,
    input  wire                    clear,
    input  wire                    in_valid,
    output wire                    in_ready,
    input  wire                    in_end,
    input  wire [CHANNEL_BITS-1:0] in_channel,
    output wire                    out_valid,
    input  wire                    out_ready,
    output wire                    out_end,
    output wire [NEURON_BITS-1:0]  out_neuron
);

    localparam LANES = PARALLEL < 1 ? 1 : PARALLEL > NEURONS ? NEURONS : PARALLEL;

    wire judge_valid, judge_last;
    wire [LANES-1:0] judge_fires, unused_real;
    wire [LANES*LEAD_BITS-1:0] unused_leads;

    @{NAME}_integrate #(
        .CHANNELS(CHANNELS),
        .CHANNEL_BITS(CHANNEL_BITS),
        .NEURONS(NEURONS),
        .LANES(LANES),
        .LEAD_BITS(LEAD_BITS),
        .THRESHOLD_BITS(THRESHOLD_BITS),
        .WEIGHTS(WEIGHTS),
        .THRESHOLDS(THRESHOLDS)
    ) integrate (
        .clk(clk),
        .clear(clear),
        .stall(out_valid),
        .in_valid(in_valid),
        .in_ready(in_ready),
        .in_end(in_end),
        .in_channel(in_channel),
        .judge_valid(judge_valid),
        .judge_last(judge_last),
        .judge_real(unused_real),
        .judge_fires(judge_fires),
        .judge_leads(unused_leads)
    );

    reg [LANES-1:0] pending = {LANES{1'b0}};  // spikes of one group, not yet sent
    reg closing = 1'b0;                       // the end of the step comes after them
    reg [NEURON_BITS-1:0] base;               // neuron of lane 0
    reg first = 1'b1;                         // the next group is group 0
    wire [LANES-1:0] lowest = pending & (~pending + 1'b1);

    assign out_valid = closing || !out_end;
    assign out_end = pending == {LANES{1'b0}};
    assign out_neuron = base + index(lowest);

    function [NEURON_BITS-1:0] index(input [LANES-1:0] one_hot);
        integer k;
        begin
            index = {NEURON_BITS{1'b0}};
            for (k = 0; k < LANES; k = k + 1) if (one_hot[k]) index = index | k[NEURON_BITS-1:0];
        end
    endfunction

    always @(posedge clk) begin
        if (clear) begin
            pending <= {LANES{1'b0}};
            closing <= 1'b0;
            first <= 1'b1;
        end else if (judge_valid) begin
            pending <= judge_fires;
            closing <= judge_last;
            base <= first ? {NEURON_BITS{1'b0}} : base + LANES[NEURON_BITS-1:0];
            first <= judge_last;
        end else if (out_valid && out_ready) begin
            pending <= pending ^ lowest;
            if (out_end) closing <= 1'b0;
        end
    end

endmodule

`default_nettype wire
