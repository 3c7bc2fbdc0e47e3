// One layer's weights and potentials, served LANES neurons a cycle: neuron = group * LANES + lane.
//
// An item is an event (add the weights of its channel to every potential) or the end of a step (compare every
// potential with its threshold); either visits all groups once. What is kept is the lead, V - threshold, so that
// comparing is looking at a sign, and whether the neuron has fired. The first item after `clear` begins at
// -threshold instead of what is in memory: forgetting an image takes no time.
//
// Stage A reads a group's potentials and selects its weights; stage B, a cycle later, adds or compares and writes back.
`default_nettype none

module @NAME@_integrate #(
    parameter CHANNELS = 1,
    parameter CHANNEL_BITS = 1,
    parameter NEURONS = 1,
    parameter LANES = 1,
    parameter LEAD_BITS = 2,
    parameter THRESHOLD_BITS = 2,  // of -threshold, signed
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
    localparam REST = NEURONS - (GROUPS - 1) * LANES;  // neurons of the last group
    localparam STATE = LEAD_BITS + 1;                  // fired, lead
    localparam OFFSET_BITS = GROUP_BITS + $clog2(LANES * THRESHOLD_BITS) + 1;

    reg [NEURONS-1:0] weights [0:CHANNELS-1];
    reg [NEURONS*THRESHOLD_BITS-1:0] thresholds [0:0];
    initial begin
        $readmemh(WEIGHTS, weights);
        $readmemh(THRESHOLDS, thresholds);
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
    wire [LANES*STATE-1:0] held, kept;
    @NAME@_ram #(
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

    assign judge_valid = work && ending_b;
    assign judge_last = last_b;
    genvar lane;
    generate
        for (lane = 0; lane < LANES; lane = lane + 1) begin : lanes
            wire [THRESHOLD_BITS-1:0] start = thresholds_b[lane*THRESHOLD_BITS +: THRESHOLD_BITS];
            wire fired = !fresh_b && held[lane*STATE + LEAD_BITS];
            wire [LEAD_BITS-1:0] lead;
            if (LEAD_BITS == THRESHOLD_BITS) begin : equal
                assign lead = fresh_b ? start : held[lane*STATE +: LEAD_BITS];
            end else begin : longer
                assign lead = fresh_b ? {{(LEAD_BITS - THRESHOLD_BITS){start[THRESHOLD_BITS-1]}}, start}
                                      : held[lane*STATE +: LEAD_BITS];
            end
            wire above = !lead[LEAD_BITS-1];
            wire [LEAD_BITS-1:0] weight = {{(LEAD_BITS - 1){!weights_b[lane]}}, 1'b1};  // +1 or -1
            assign kept[lane*STATE +: STATE] = ending_b ? {fired || above, lead} : {fired, lead + weight};
            assign judge_real[lane] = !last_b || lane < REST;
            assign judge_fires[lane] = above && !fired && judge_real[lane];
            assign judge_leads[lane*LEAD_BITS +: LEAD_BITS] = lead;
        end
    endgenerate

endmodule

`default_nettype wire
