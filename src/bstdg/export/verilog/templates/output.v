// The output layer and the decision. At the first step at which an output is at threshold the greatest lead
// (V - threshold) wins, then the lowest index; if none ever is, the greatest lead at the last step: silent.
`timescale 1ns / 1ns
`default_nettype none

module @{NAME}_output #(
    parameter CHANNELS = 1,
    parameter CHANNEL_BITS = 1,
    parameter NEURONS = 1,
    parameter NEURON_BITS = 1,
    parameter PARALLEL = 1,
    parameter LEAD_BITS = 2,
    parameter THRESHOLD_BITS = 2,
    parameter WEIGHTS = "",
    parameter THRESHOLDS = "",
    parameter STEPS = 1,
    parameter STEP_BITS = 1,
    parameter EARLY_EXIT = 1
) (
    input  wire                    clk,
    input  wire                    clear,
    input  wire                    in_valid,
    output wire                    in_ready,
    input  wire                    in_end,
    input  wire [CHANNEL_BITS-1:0] in_channel,
    output wire                    finishing,  // the image is done with; the decision is there a cycle later
    output reg  [NEURON_BITS-1:0]  decision,
    output reg  [STEP_BITS-1:0]    decision_step,
    output reg                     silent
);

    localparam LANES = PARALLEL < 1 ? 1 : PARALLEL > NEURONS ? NEURONS : PARALLEL;
    localparam BEST_BITS = NEURON_BITS + LEAD_BITS;  // lane, lead
    localparam LAST_STEP = STEPS - 1;

    wire judge_valid, judge_last;
    wire [LANES-1:0] judge_real, unused_fires;
    wire [LANES*LEAD_BITS-1:0] judge_leads;

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
        .stall(1'b0),
        .in_valid(in_valid),
        .in_ready(in_ready),
        .in_end(in_end),
        .in_channel(in_channel),
        .judge_valid(judge_valid),
        .judge_last(judge_last),
        .judge_real(judge_real),
        .judge_fires(unused_fires),
        .judge_leads(judge_leads)
    );

    // The best lane of a group, by halves; between equals the lower lane. A lane without a neuron has the least lead
    // there is, and lies above all that have one.
    function [BEST_BITS-1:0] best_of(input [LANES*LEAD_BITS-1:0] leads, input [LANES-1:0] real_lanes);
        reg [LANES*LEAD_BITS-1:0] lead;
        reg [LANES*NEURON_BITS-1:0] lane;
        integer k, span;
        begin
            lead = leads;
            for (k = 0; k < LANES; k = k + 1) begin
                lane[k*NEURON_BITS +: NEURON_BITS] = k[NEURON_BITS-1:0];
                if (!real_lanes[k]) lead[k*LEAD_BITS +: LEAD_BITS] = {1'b1, {(LEAD_BITS - 1){1'b0}}};
            end
            for (span = 1; span < LANES; span = span * 2)
                for (k = 0; k + span < LANES; k = k + 2 * span)
                    if ($signed(lead[(k + span)*LEAD_BITS +: LEAD_BITS]) > $signed(lead[k*LEAD_BITS +: LEAD_BITS])) begin
                        lead[k*LEAD_BITS +: LEAD_BITS] = lead[(k + span)*LEAD_BITS +: LEAD_BITS];
                        lane[k*NEURON_BITS +: NEURON_BITS] = lane[(k + span)*NEURON_BITS +: NEURON_BITS];
                    end
            best_of = {lane[0 +: NEURON_BITS], lead[0 +: LEAD_BITS]};
        end
    endfunction

    reg [NEURON_BITS-1:0] base, leader;  // neuron of lane 0; the best of the groups so far
    reg signed [LEAD_BITS-1:0] leader_lead;
    reg first = 1'b1;  // the next group is group 0
    reg [STEP_BITS-1:0] step_now;
    reg decided;

    wire [BEST_BITS-1:0] best = best_of(judge_leads, judge_real);
    wire signed [LEAD_BITS-1:0] best_lead = best[LEAD_BITS-1:0];
    wire [NEURON_BITS-1:0] here = first ? {NEURON_BITS{1'b0}} : base;
    wire better = first || best_lead > leader_lead;
    wire [NEURON_BITS-1:0] winner = better ? here + best[LEAD_BITS +: NEURON_BITS] : leader;
    wire signed [LEAD_BITS-1:0] winner_lead = better ? best_lead : leader_lead;
    wire above = !winner_lead[LEAD_BITS-1];
    wire at_end = step_now == LAST_STEP[STEP_BITS-1:0];
    wire decide = judge_valid && judge_last && !decided && (above || at_end);

    assign finishing = EARLY_EXIT != 0 ? decide : judge_valid && judge_last && at_end;

    always @(posedge clk) begin
        if (clear) begin
            first <= 1'b1;
            step_now <= {STEP_BITS{1'b0}};
            decided <= 1'b0;
        end else if (judge_valid) begin
            first <= judge_last;
            base <= here + LANES[NEURON_BITS-1:0];
            leader <= winner;
            leader_lead <= winner_lead;
            if (judge_last) step_now <= step_now + 1'b1;
            if (decide) decided <= 1'b1;
        end
        if (decide) begin
            decision <= winner;
            decision_step <= step_now;
            silent <= !above;
        end
    end

endmodule

`default_nettype wire
