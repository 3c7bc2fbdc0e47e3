// A layer whose maps have small windows of weights that slide: maps side by side, LANES of a group's a cycle.
//
// An event goes over the positions whose windows it lies in and adds a row of weights at each; the end of a step goes
// over all positions, compares, and sends on the neurons that fire, position by position and its maps in turn, then the
// end of the step. While it sends, it takes in nothing. What is kept of a neuron is the lead, V - threshold, and whether
// it has fired. After `clear` all is set to -threshold, which takes as long as the end of a step.
//
// Stage A finds the address and reads potentials and weights; stage B, a cycle later, adds or compares and writes back.
`timescale 1ns / 1ns
`default_nettype none

module @{NAME}_conv #(
    parameter CHANNELS = 1,
    parameter CHANNEL_BITS = 1,
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
    parameter GROUPS = 1,         // channels and maps are split into so many parts that do not see each other
    parameter BASE_BITS = 1,      // number group * HIGH * WIDE
    parameter TAPS = 1,
    parameter TAP_BITS = 1,
    parameter NEXT_ROW = 0,
    parameter NEXT_COLUMN = 0,
    parameter WEIGHT_BITS = 1,    // number rows of weights, channel * TAPS + tap
    parameter PARALLEL = 1,
    parameter LEAD_BITS = 2,
    parameter THRESHOLD_BITS = 2,  // of -threshold, signed; 2 or more
    parameter GUARD = 0,           // 1: a potential that would leave LEAD_BITS stays, and `overflow` says so
    parameter WEIGHTS = "",        // CHANNELS * TAPS words, a bit a map of the channel's group, 1 for +1 and 0 for -1
    parameter THRESHOLDS = "",     // one word: -threshold of every map, map 0 in the lowest bits
    parameter CHANNEL_TABLE = "",  // the group's base, and channel * TAPS
    parameter ROW_TABLE = "",
    parameter COLUMN_TABLE = ""
) (
    input  wire                    clk,
    input  wire                    clear,
    input  wire                    in_valid,
    output wire                    in_ready,
    input  wire                    in_end,
    input  wire [CHANNEL_BITS-1:0] in_channel,
    input  wire [ROW_BITS-1:0]     in_row,
    input  wire [COLUMN_BITS-1:0]  in_column,
    output wire                    out_valid,
    input  wire                    out_ready,
    output wire                    out_end,
    output wire [MAP_BITS-1:0]     out_map,
    output reg  [HIGH_BITS-1:0]    out_row,
    output reg  [WIDE_BITS-1:0]    out_column,
    output wire [NEURON_BITS-1:0]  out_neuron,  // (row * WIDE + column) * MAPS + map
    output wire                    overflow
);

    localparam OWN = MAPS / GROUPS;  // maps of a group
    localparam LANES = PARALLEL < 1 ? 1 : PARALLEL > OWN ? OWN : PARALLEL;
    localparam WORDS = (OWN + LANES - 1) / LANES;  // of a group at a position
    localparam ALL_WORDS = GROUPS * WORDS;
    localparam REST_LANES = OWN - (WORDS - 1) * LANES;  // in a group's last word
    localparam PLACES = HIGH * WIDE;
    localparam DEPTH = ALL_WORDS * PLACES;  // address: (word * GROUPS + group) * PLACES + place
    localparam ADDRESS_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1;
    localparam WORD_BITS = WORDS > 1 ? $clog2(WORDS) : 1;
    localparam NUMBER_BITS = ALL_WORDS > 1 ? $clog2(ALL_WORDS) : 1;
    localparam LAST_BASE = (GROUPS - 1) * PLACES, NEXT_WORD = GROUPS * PLACES, LAST_WORD = WORDS - 1;
    localparam [LANES-1:0] REST = {LANES{1'b1}} >> (LANES - REST_LANES);
    localparam [LEAD_BITS-1:0] MINUS_ONE = {LEAD_BITS{1'b1}};
    localparam [LEAD_BITS-1:0] PLUS_ONE = {{(LEAD_BITS - 1){1'b0}}, 1'b1};
    localparam [LEAD_BITS-1:0] LEAST = {1'b1, {(LEAD_BITS - 1){1'b0}}};
    localparam STATE = LEAD_BITS + 1;                   // fired, lead
    localparam SIGNS = LEAD_BITS - THRESHOLD_BITS + 1;  // copies of the sign that lengthen -threshold to a lead
    localparam WORD_OFFSET_BITS = WORD_BITS + $clog2(LANES) + 1;
    localparam NUMBER_OFFSET_BITS = NUMBER_BITS + $clog2(LANES * THRESHOLD_BITS) + 1;

    reg [OWN-1:0] weights [0:CHANNELS*TAPS-1];
    reg [MAPS*THRESHOLD_BITS-1:0] thresholds [0:0];
    initial begin
        if (WEIGHTS != "") $readmemh(WEIGHTS, weights);
        if (THRESHOLDS != "") $readmemh(THRESHOLDS, thresholds);
    end

    wire walking, next, ending, sweeping, last;
    wire [HIGH_BITS-1:0] row;
    wire [WIDE_BITS-1:0] column;
    wire [PLACE_BITS-1:0] place;
    wire [TAP_BITS-1:0] tap;
    wire [BASE_BITS-1:0] event_base;
    wire [WEIGHT_BITS-1:0] first_weights;

    @{NAME}_walk #(
        .CHANNELS(CHANNELS),
        .CHANNEL_BITS(CHANNEL_BITS),
        .ROWS(ROWS),
        .ROW_BITS(ROW_BITS),
        .COLUMNS(COLUMNS),
        .COLUMN_BITS(COLUMN_BITS),
        .HIGH(HIGH),
        .HIGH_BITS(HIGH_BITS),
        .WIDE(WIDE),
        .WIDE_BITS(WIDE_BITS),
        .PLACE_BITS(PLACE_BITS),
        .TAP_BITS(TAP_BITS),
        .NEXT_ROW(NEXT_ROW),
        .NEXT_COLUMN(NEXT_COLUMN),
        .SCAN(1),
        .LOOKUP(1),
        .ABOUT_BITS(BASE_BITS + WEIGHT_BITS),
        .CHANNEL_TABLE(CHANNEL_TABLE),
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
        .next(next),
        .ending(ending),
        .sweeping(sweeping),
        .about({event_base, first_weights}),
        .row(row),
        .column(column),
        .place(place),
        .tap(tap),
        .last(last)
    );

    // Stage A. At each position the words of the event's group, or of all groups in turn.
    wire adding = !ending && !sweeping;
    reg [WORD_BITS-1:0] word;
    reg [ADDRESS_BITS-1:0] word_base;
    reg [BASE_BITS-1:0] group_base;
    reg [NUMBER_BITS-1:0] number;     // words of this position that a scan has gone over
    reg [MAP_BITS-1:0] map;           // of lane 0, in a scan
    reg [NEURON_BITS-1:0] neuron;     // likewise
    reg valid_b = 1'b0;
    reg [ADDRESS_BITS-1:0] address_b;
    wire [BASE_BITS-1:0] base = adding ? event_base : group_base;
    wire [ADDRESS_BITS-1:0] address = {{(ADDRESS_BITS - PLACE_BITS){1'b0}}, place}
        + {{(ADDRESS_BITS - BASE_BITS){1'b0}}, base} + word_base;
    wire [WEIGHT_BITS-1:0] weight_address = first_weights + {{(WEIGHT_BITS - TAP_BITS){1'b0}}, tap};
    wire word_over = word == LAST_WORD[WORD_BITS-1:0];
    wire over = word_over && (adding || group_base == LAST_BASE[BASE_BITS-1:0]);
    wire busy_b = valid_b && address_b == address;  // what is read now is written in this cycle: wait for it
    wire go = walking && !out_valid && !busy_b;
    assign next = go && over;

    reg [OWN-1:0] weights_b;
    always @(posedge clk) if (go && adding) weights_b <= weights[weight_address];

    always @(posedge clk) begin
        if (clear) begin
            word <= {WORD_BITS{1'b0}};
            word_base <= {ADDRESS_BITS{1'b0}};
            group_base <= {BASE_BITS{1'b0}};
            number <= {NUMBER_BITS{1'b0}};
            map <= {MAP_BITS{1'b0}};
            neuron <= {NEURON_BITS{1'b0}};
        end else if (go) begin
            word <= word_over ? {WORD_BITS{1'b0}} : word + 1'b1;
            word_base <= word_over ? {ADDRESS_BITS{1'b0}} : word_base + NEXT_WORD[ADDRESS_BITS-1:0];
            if (!adding) begin
                if (word_over) group_base <= over ? {BASE_BITS{1'b0}} : group_base + PLACES[BASE_BITS-1:0];
                number <= over ? {NUMBER_BITS{1'b0}} : number + 1'b1;
                map <= over ? {MAP_BITS{1'b0}} : map + (word_over ? REST_LANES[MAP_BITS-1:0] : LANES[MAP_BITS-1:0]);
                neuron <= over && last ? {NEURON_BITS{1'b0}}
                    : neuron + (word_over ? REST_LANES[NEURON_BITS-1:0] : LANES[NEURON_BITS-1:0]);
            end
        end
    end

    reg ending_b, sweeping_b, over_b, last_b;
    reg [WORD_BITS-1:0] word_b;
    reg [NUMBER_BITS-1:0] number_b;
    reg [HIGH_BITS-1:0] row_b;
    reg [WIDE_BITS-1:0] column_b;
    reg [MAP_BITS-1:0] map_b;
    reg [NEURON_BITS-1:0] neuron_b;

    always @(posedge clk) begin
        if (clear) valid_b <= 1'b0;
        else if (!out_valid) valid_b <= go;
        if (go) begin
            ending_b <= ending;
            sweeping_b <= sweeping;
            over_b <= word_over;
            last_b <= over && last;
            word_b <= word;
            number_b <= number;
            address_b <= address;
            row_b <= row;
            column_b <= column;
            map_b <= map;
            neuron_b <= neuron;
        end
    end

    // Stage B. Lanes that fill up a group's last word are zeros.
    wire [WORDS*LANES-1:0] all_weights;
    wire [ALL_WORDS*LANES*THRESHOLD_BITS-1:0] all_thresholds;
    genvar g;
    generate
        if (WORDS * LANES == OWN) begin : even
            assign all_weights = weights_b;
            assign all_thresholds = thresholds[0];
        end else begin : uneven
            assign all_weights = {{(WORDS * LANES - OWN){1'b0}}, weights_b};
            for (g = 0; g < GROUPS; g = g + 1) begin : group
                assign all_thresholds[g*WORDS*LANES*THRESHOLD_BITS +: WORDS*LANES*THRESHOLD_BITS] =
                    {{((WORDS * LANES - OWN) * THRESHOLD_BITS){1'b0}},
                     thresholds[0][g*OWN*THRESHOLD_BITS +: OWN*THRESHOLD_BITS]};
            end
        end
    endgenerate

    wire [LANES-1:0] word_weights;
    wire [LANES*THRESHOLD_BITS-1:0] word_thresholds;
    generate
        if (WORDS == 1) begin : whole_row
            wire unused_word = &{1'b0, word_b};
            assign word_weights = all_weights;
        end else begin : part_of_row
            wire [WORD_OFFSET_BITS-1:0] at = {{(WORD_OFFSET_BITS - WORD_BITS){1'b0}}, word_b};
            assign word_weights = all_weights[at * LANES +: LANES];
        end
        if (ALL_WORDS == 1) begin : whole_thresholds
            wire unused_number = &{1'b0, number_b};
            assign word_thresholds = all_thresholds;
        end else begin : part_of_thresholds
            wire [NUMBER_OFFSET_BITS-1:0] at = {{(NUMBER_OFFSET_BITS - NUMBER_BITS){1'b0}}, number_b};
            assign word_thresholds = all_thresholds[at * (LANES * THRESHOLD_BITS) +: LANES * THRESHOLD_BITS];
        end
    endgenerate

    wire work = valid_b && !out_valid;
    wire [LANES*STATE-1:0] held;
    reg [LANES*STATE-1:0] kept;
    reg [LANES-1:0] fires, leaves;
    wire [LANES-1:0] real_lanes = over_b ? REST : {LANES{1'b1}};
    @{NAME}_ram #(
        .DEPTH(DEPTH),
        .ADDRESS_BITS(ADDRESS_BITS),
        .WIDTH(LANES * STATE)
    ) potentials (
        .clk(clk),
        .read(go),
        .read_address(address),
        .read_data(held),
        .write(work),
        .write_address(address_b),
        .write_data(kept)
    );

    integer k;
    reg fired, up;
    reg [LEAD_BITS-1:0] lead;
    always @* begin
        for (k = 0; k < LANES; k = k + 1) begin
            fired = held[k*STATE + LEAD_BITS];
            lead = held[k*STATE +: LEAD_BITS];
            up = word_weights[k];
            fires[k] = !lead[LEAD_BITS-1] && !fired;
            leaves[k] = GUARD != 0 && lead == (up ? ~LEAST : LEAST);
            if (sweeping_b) kept[k*STATE +: STATE] = {1'b0, {SIGNS{word_thresholds[(k + 1)*THRESHOLD_BITS - 1]}},
                                                      word_thresholds[k*THRESHOLD_BITS +: THRESHOLD_BITS - 1]};
            else if (ending_b) kept[k*STATE +: STATE] = {fired || fires[k], lead};
            else if (leaves[k]) kept[k*STATE +: STATE] = {fired, lead};
            else kept[k*STATE +: STATE] = {fired, lead + (up ? PLUS_ONE : MINUS_ONE)};
        end
    end

    assign overflow = work && !ending_b && !sweeping_b && (leaves & real_lanes) != {LANES{1'b0}};

    // What a position's word sends on.
    reg [LANES-1:0] pending = {LANES{1'b0}};  // spikes not yet sent
    reg closing = 1'b0;                       // the end of the step comes after them
    reg [MAP_BITS-1:0] map_0;                 // of lane 0
    reg [NEURON_BITS-1:0] neuron_0;
    wire [LANES-1:0] lowest = pending & (~pending + 1'b1);
    wire [NEURON_BITS-1:0] lane = index(lowest);

    assign out_valid = closing || !out_end;
    assign out_end = pending == {LANES{1'b0}};
    assign out_map = map_0 + lane[MAP_BITS-1:0];
    assign out_neuron = neuron_0 + lane;

    function [NEURON_BITS-1:0] index(input [LANES-1:0] one_hot);
        integer n;
        begin
            index = {NEURON_BITS{1'b0}};
            for (n = 0; n < LANES; n = n + 1) if (one_hot[n]) index = index | n[NEURON_BITS-1:0];
        end
    endfunction

    always @(posedge clk) begin
        if (clear) begin
            pending <= {LANES{1'b0}};
            closing <= 1'b0;
        end else if (work && ending_b) begin
            pending <= fires & real_lanes;
            closing <= last_b;
            map_0 <= map_b;
            neuron_0 <= neuron_b;
            out_row <= row_b;
            out_column <= column_b;
        end else if (out_valid && out_ready) begin
            pending <= pending ^ lowest;
            if (out_end) closing <= 1'b0;
        end
    end

endmodule

`default_nettype wire
