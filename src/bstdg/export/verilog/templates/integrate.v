// One layer's weights and potentials, served LANES neurons a cycle: neuron = group * LANES + lane.
//
// An item is an event (add the weights of its channel to every potential) or the end of a step (compare every
// potential with its threshold); either visits all groups once. What is kept is the lead, V - threshold, so that
// comparing is looking at a sign, and whether the neuron has fired. The first item after `clear` begins at
// -threshold instead of what is in memory: forgetting an image takes no time.
//
// Stage A reads a group's potentials and selects its weights; stage B, a cycle later, adds or compares and writes back.
`timescale 1ns / 1ns
`default_nettype none

module @{NAME}_integrate #(
    parameter CHANNELS = 1,
    parameter CHANNEL_BITS = 1,
    parameter NEURONS = 1,
    parameter LANES = 1,
    parameter LEAD_BITS = 2,
    parameter THRESHOLD_BITS = 2,  // of -threshold, signed; 2 or more
    parameter WEIGHTS = "",        // CHANNELS words of NEURONS bits, 1 for +1 and 0 for -1
    parameter THRESHOLDS = ""      // one word: -threshold of every neuron, neuron 0 in the lowest bits
) (
    input  wire                       clk,
    input  wire                       clear,
    input  wire                       stall,  // holds both stages
    input  wire                       in_valid,
    output wire                       in_ready,
    input  wire                       in_end,
    input  wire [CHANNEL_BITS-1:0]    in_channel,
    output wire                       judge_valid,  // one group of the comparison, in order
    output wire                       judge_last,
    output wire [LANES-1:0]           judge_real,   // lanes that hold a neuron
    output wire [LANES-1:0]           judge_fires,  // neurons at threshold for the first time
    output wire [LANES*LEAD_BITS-1:0] judge_leads
);

    localparam GROUPS = (NEURONS + LANES - 1) / LANES;
    localparam GROUP_BITS = GROUPS > 1 ? $clog2(GROUPS) : 1;
    localparam [GROUP_BITS-1:0] LAST_GROUP = GROUPS[GROUP_BITS-1:0] - 1'b1;
    localparam [LANES-1:0] REST = {LANES{1'b1}} >> (GROUPS * LANES - NEURONS);  // the last group's neurons
    localparam [LEAD_BITS-1:0] MINUS_ONE = {LEAD_BITS{1'b1}};
    localparam [LEAD_BITS-1:0] PLUS_ONE = {{(LEAD_BITS - 1){1'b0}}, 1'b1};
    localparam STATE = LEAD_BITS + 1;                  // fired, lead
    localparam SIGNS = LEAD_BITS - THRESHOLD_BITS + 1;  // copies of the sign that lengthen -threshold to a lead
    localparam OFFSET_BITS = GROUP_BITS + $clog2(LANES * THRESHOLD_BITS) + 1;

    reg [NEURONS-1:0] weights [0:CHANNELS-1];
    reg [NEURONS*THRESHOLD_BITS-1:0] thresholds [0:0];
    initial begin
        if (WEIGHTS != "") $readmemh(WEIGHTS, weights);
        if (THRESHOLDS != "") $readmemh(THRESHOLDS, thresholds);
    end

    // Taking an item reads its channel's row of weights.
    reg busy = 1'b0;
    reg ending;  // the item is the end of a step
    reg fresh;   // nothing has been added since `clear`
    reg [GROUP_BITS-1:0] group;
    reg [NEURONS-1:0] row;
    wire last = group == LAST_GROUP;
    wire take = in_valid && in_ready;
    assign in_ready = !stall && (!busy || last);

    always @(posedge clk) if (take && !in_end) row <= weights[in_channel];

    always @(posedge clk) begin
        if (clear) begin
            busy <= 1'b0;
            fresh <= 1'b1;
        end else if (!stall) begin
            if (take) begin
                busy <= 1'b1;
                ending <= in_end;
                group <= {GROUP_BITS{1'b0}};
            end else if (last) busy <= 1'b0;
            else group <= group + 1'b1;
            if (busy && last) fresh <= 1'b0;
        end
    end

    // Stage A. Neurons that fill up the last group are zeros.
    wire [GROUPS*LANES-1:0] all_weights;
    wire [GROUPS*LANES*THRESHOLD_BITS-1:0] all_thresholds;
    generate
        if (GROUPS * LANES == NEURONS) begin : even
            assign all_weights = row;
            assign all_thresholds = thresholds[0];
        end else begin : uneven
            assign all_weights = {{(GROUPS * LANES - NEURONS){1'b0}}, row};
            assign all_thresholds = {{((GROUPS * LANES - NEURONS) * THRESHOLD_BITS){1'b0}}, thresholds[0]};
        end
    endgenerate

    wire [LANES-1:0] group_weights;
    wire [LANES*THRESHOLD_BITS-1:0] group_thresholds;
    generate
        if (GROUPS == 1) begin : whole
            assign group_weights = all_weights;
            assign group_thresholds = all_thresholds;
        end else begin : part
            wire [OFFSET_BITS-1:0] number = {{(OFFSET_BITS - GROUP_BITS){1'b0}}, group};
            assign group_weights = all_weights[number * LANES +: LANES];
            assign group_thresholds = all_thresholds[number * (LANES * THRESHOLD_BITS) +: LANES * THRESHOLD_BITS];
        end
    endgenerate

    reg valid_b = 1'b0;
    reg ending_b, fresh_b, last_b;
    reg [GROUP_BITS-1:0] group_b;
    reg [LANES-1:0] weights_b;
    reg [LANES*THRESHOLD_BITS-1:0] thresholds_b;

    always @(posedge clk) begin
        if (clear) valid_b <= 1'b0;
        else if (!stall) valid_b <= busy;
        if (!stall) begin
            ending_b <= ending;
            fresh_b <= fresh;
            last_b <= last;
            group_b <= group;
            weights_b <= group_weights;
            thresholds_b <= group_thresholds;
        end
    end

    // Stage B.
    wire work = valid_b && !stall;
    wire [LANES*STATE-1:0] held;
    reg [LANES*STATE-1:0] kept;
    reg [LANES*LEAD_BITS-1:0] leads;
    reg [LANES-1:0] fires;
    @{NAME}_ram #(
        .DEPTH(GROUPS),
        .ADDRESS_BITS(GROUP_BITS),
        .WIDTH(LANES * STATE)
    ) potentials (
        .clk(clk),
        .read(busy && !stall),
        .read_address(group),
        .read_data(held),
        .write(work),
        .write_address(group_b),
        .write_data(kept)
    );

    // What a neuron does in stage B. One loop over whole words, which simulators run far sooner than a net a lane.
    integer k;
    reg fired;
    reg [LEAD_BITS-1:0] lead;
    always @* begin
        for (k = 0; k < LANES; k = k + 1) begin
            fired = !fresh_b && held[k*STATE + LEAD_BITS];
            lead = held[k*STATE +: LEAD_BITS];
            if (fresh_b) lead = {{SIGNS{thresholds_b[(k + 1)*THRESHOLD_BITS - 1]}},
                                 thresholds_b[k*THRESHOLD_BITS +: THRESHOLD_BITS - 1]};
            fires[k] = !lead[LEAD_BITS-1] && !fired;
            leads[k*LEAD_BITS +: LEAD_BITS] = lead;
            if (ending_b) kept[k*STATE +: STATE] = {fired || fires[k], lead};
            else kept[k*STATE +: STATE] = {fired, lead + (weights_b[k] ? PLUS_ONE : MINUS_ONE)};
        end
    end

    assign judge_valid = work && ending_b;
    assign judge_last = last_b;
    assign judge_real = last_b ? REST : {LANES{1'b1}};
    assign judge_fires = fires & judge_real;
    assign judge_leads = leads;

endmodule

`default_nettype wire
