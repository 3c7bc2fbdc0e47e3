// @{STRUCTURE}, @{STEPS} steps: a binarized network that fires at most once.
//
// `start`, looked at while `busy` is low, begins an image. Its stream of items is taken by valid/ready: events
// (`in_end` low: the channel fires in the current step, any number of them) and ends of steps (`in_end` high), exactly
// @{STEPS}. When `done` rises, `decision`, `decision_step` and `silent` hold until the next image begins. What follows
// the decision of an image is taken and thrown away, one item a cycle; or begin the next image at once and leave it.
//
// What `decision` says:
@% for name in CLASS_NAMES %@
//   @{loop.index0} is @{name}
@% endfor %@
`timescale 1ns / 1ns
`default_nettype none

module @{NAME} #(
    parameter PARALLEL = @{PARALLEL},  // neurons of each layer served a cycle, 1 or more
    parameter EARLY_EXIT = 1,  // 0: every step is run, `done` rises at the end
    parameter MAX_EVENTS = @{CHANNELS},  // of an image, 1 … @{MAX_CHANNELS}: more where a channel may fire more than once
@% for layer in LAYERS %@
    parameter WEIGHTS_@{loop.index0} = "@{NAME}_weights_@{loop.index0}.hex",
    parameter THRESHOLDS_@{loop.index0} = "@{NAME}_thresholds_@{loop.index0}.hex"@{"" if loop.last else ","}
@% endfor %@
) (
    input  wire        clk,
    input  wire        rst,  // synchronous
    input  wire        start,
    output wire        busy,
    input  wire        in_valid,
    output wire        in_ready,
    input  wire        in_end,
    input  wire @{CHANNEL_RANGE} in_channel,
    output reg         done,
    output wire @{CLASS_RANGE} decision,
    output wire @{STEP_RANGE} decision_step,
    output wire        silent,   // no output reached its threshold
    output reg         error     // an event of this image was left out: no such channel, or more than MAX_EVENTS
);

    // V - threshold is in -MAX_EVENTS - @{ -LAYERS[0].low} … MAX_EVENTS + @{LAYERS[0].high}.
    localparam [63:0] LOWEST = MAX_EVENTS + 64'd@{ -LAYERS[0].low};
    localparam [63:0] HIGHEST = MAX_EVENTS + 64'd@{LAYERS[0].high};
    localparam LOW_BITS = $clog2(LOWEST), HIGH_BITS = $clog2(HIGHEST + 1);
    localparam LEAD_BITS_0 = 1 + (LOW_BITS > HIGH_BITS ? LOW_BITS : HIGH_BITS);
@% for layer in LAYERS[1:] %@
@% set low, high = layer.lead_range(layer.channels) %@
    localparam LEAD_BITS_@{loop.index} = @{signed_bits(low, high)};  // V - threshold is in @{low} … @{high}
@% endfor %@

    localparam EVENT_BITS = $clog2(MAX_EVENTS + 1);

    reg running = 1'b0;
    reg @{LEFT_RANGE} steps_left = @{LEFT_BITS}'d0;
    reg [EVENT_BITS-1:0] events_left;
    wire finishing;
    wire link0_ready;  // link n is the stream into layer n
    wire begins = start && !running;
    wire clear = rst || begins || finishing;

    wire known = @{KNOWN};
    wire allowed = in_end || (known && events_left != {EVENT_BITS{1'b0}});
    wire open = steps_left != @{LEFT_BITS}'d0 && !begins;
    wire take = in_valid && in_ready;
    assign in_ready = open && (!running || link0_ready);
    assign busy = running;

    always @(posedge clk) begin
        if (rst) begin
            running <= 1'b0;
            done <= 1'b0;
            error <= 1'b0;
            steps_left <= @{LEFT_BITS}'d0;
        end else if (begins) begin
            running <= 1'b1;
            done <= 1'b0;
            error <= 1'b0;
            steps_left <= @{LEFT_BITS}'d@{STEPS};
            events_left <= MAX_EVENTS[EVENT_BITS-1:0];
        end else begin
            if (finishing) begin
                running <= 1'b0;
                done <= 1'b1;
            end
            if (take && in_end) steps_left <= steps_left - 1'b1;
            if (take && !in_end && running) begin
                if (allowed) events_left <= events_left - 1'b1;
                else error <= 1'b1;
            end
        end
    end

    wire link0_valid = in_valid && open && running && allowed;
    wire link0_end = in_end;
    wire @{CHANNEL_RANGE} link0_channel = in_channel;
@% for layer in LAYERS %@
@% set at = loop.index0 %@
@% set after = loop.index %@

@% if not loop.last %@
    wire link@{after}_valid, link@{after}_ready, link@{after}_end;
    wire @{span(index_bits(layer.neurons))} link@{after}_channel;
@% endif %@
    @{NAME}_@{"output" if loop.last else "hidden"} #(
        .CHANNELS(@{layer.channels}),
        .CHANNEL_BITS(@{index_bits(layer.channels)}),
        .NEURONS(@{layer.neurons}),
        .NEURON_BITS(@{index_bits(layer.neurons)}),
        .PARALLEL(PARALLEL),
        .LEAD_BITS(LEAD_BITS_@{at}),
        .THRESHOLD_BITS(@{layer.threshold_bits}),
        .WEIGHTS(WEIGHTS_@{at}),
        .THRESHOLDS(THRESHOLDS_@{at})@{"," if loop.last else ""}
@% if loop.last %@
        .STEPS(@{STEPS}),
        .STEP_BITS(@{index_bits(STEPS)}),
        .EARLY_EXIT(EARLY_EXIT)
@% endif %@
    ) layer@{at} (
        .clk(clk),
        .clear(clear),
        .in_valid(link@{at}_valid),
        .in_ready(link@{at}_ready),
        .in_end(link@{at}_end),
        .in_channel(link@{at}_channel),
@% if loop.last %@
        .finishing(finishing),
        .decision(decision),
        .decision_step(decision_step),
        .silent(silent)
@% else %@
        .out_valid(link@{after}_valid),
        .out_ready(link@{after}_ready),
        .out_end(link@{after}_end),
        .out_neuron(link@{after}_channel)
@% endif %@
    );
@% endfor %@

endmodule

`default_nettype wire
