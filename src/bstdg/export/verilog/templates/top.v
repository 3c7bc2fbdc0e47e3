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
    parameter PARALLEL = @{PARALLEL},  // neurons of each layer@{", or maps at a position," if SLIDES else ""} served a cycle, 1 or more
    parameter EARLY_EXIT = 1,  // 0: every step is run, `done` rises at the end
@% if LAYERS[0].kind == "full" %@
    parameter MAX_EVENTS = @{CHANNELS},  // of an image, 1 … @{MAX_CHANNELS}: more where a channel may fire more than once
@% elif LAYERS[0].kind == "conv2d" %@
    parameter MAX_PER_CHANNEL = 1,  // events of a channel in an image, 1 … @{[1, MAX_CHANNELS // LAYERS[0].synapses] | max}
@% endif %@
@% for parameter, file in FILES %@
    parameter @{parameter} = "@{file}"@{"" if loop.last else ","}
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
@% if LAYERS[0].kind == "full" %@
    output reg         error     // an event of this image was left out: no such channel, or more than MAX_EVENTS
@% elif LAYERS[0].kind == "conv2d" %@
    output reg         error     // an event of this image was left out: no such channel, or more than MAX_PER_CHANNEL
@% else %@
    output reg         error     // an event of this image was left out: no such channel
@% endif %@
);

@% if LAYERS[0].kind != "pool2d" %@
@% set most = "MAX_EVENTS" if LAYERS[0].kind == "full" else "MAX_PER_CHANNEL * 64'd" ~ LAYERS[0].synapses %@
@% if LAYERS[0].kind == "full" %@
    // V - threshold is in -MAX_EVENTS - @{ -LAYERS[0].low} … MAX_EVENTS + @{LAYERS[0].high}.
@% else %@
    // V - threshold is in -most - @{ -LAYERS[0].low} … most + @{LAYERS[0].high}: a window has @{LAYERS[0].synapses} synapses.
@% endif %@
    localparam [63:0] LOWEST = @{most} + 64'd@{ -LAYERS[0].low};
    localparam [63:0] HIGHEST = @{most} + 64'd@{LAYERS[0].high};
    localparam LOW_BITS = $clog2(LOWEST), HIGH_BITS = $clog2(HIGHEST + 1);
    localparam LEAD_BITS_0 = 1 + (LOW_BITS > HIGH_BITS ? LOW_BITS : HIGH_BITS);
@% endif %@
@% for layer in LAYERS[1:] %@
@% if layer.kind != "pool2d" %@
@% set low, high = layer.lead_range(layer.synapses) %@
    localparam LEAD_BITS_@{loop.index} = @{signed_bits(low, high)};  // V - threshold is in @{low} … @{high}
@% endif %@
@% endfor %@
@% if LAYERS[0].kind == "full" %@

    localparam EVENT_BITS = $clog2(MAX_EVENTS + 1);
@% endif %@

    reg running = 1'b0;
    reg @{LEFT_RANGE} steps_left = @{LEFT_BITS}'d0;
@% if LAYERS[0].kind == "full" %@
    reg [EVENT_BITS-1:0] events_left;
@% endif %@
    wire finishing;
    wire link0_ready;  // link n is the stream into layer n
    wire begins = start && !running;
    wire clear = rst || begins || finishing;
@% if SLIDES %@
    wire forget = rst || finishing;  // takes layers that slide a while: they do it before the next image begins
@% endif %@
@% if LAYERS[0].kind == "conv2d" %@
    wire overflow;
@% endif %@

    wire known = @{KNOWN};
@% if LAYERS[0].kind == "full" %@
    wire allowed = in_end || (known && events_left != {EVENT_BITS{1'b0}});
@% else %@
    wire allowed = in_end || known;
@% endif %@
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
@% if LAYERS[0].kind == "full" %@
            events_left <= MAX_EVENTS[EVENT_BITS-1:0];
@% endif %@
        end else begin
            if (finishing) begin
                running <= 1'b0;
                done <= 1'b1;
            end
            if (take && in_end) steps_left <= steps_left - 1'b1;
@% if LAYERS[0].kind == "full" %@
            if (take && !in_end && running) begin
                if (allowed) events_left <= events_left - 1'b1;
                else error <= 1'b1;
            end
@% elif LAYERS[0].kind == "conv2d" %@
            if ((take && running && !allowed) || overflow) error <= 1'b1;
@% else %@
            if (take && running && !allowed) error <= 1'b1;
@% endif %@
        end
    end

    wire link0_valid = in_valid && open && running && allowed;
    wire link0_end = in_end;
    wire @{CHANNEL_RANGE} link0_channel = in_channel;
@% if SLIDES %@
@% set channels, rows, columns = LAYERS[0].convolution.reads %@

    wire located_valid, located_ready, located_end;
    wire @{span(index_bits(channels))} located_map;
    wire @{span(index_bits(rows))} located_row;
    wire @{span(index_bits(columns))} located_column;
    @{NAME}_locate #(
        .CHANNELS(@{LAYERS[0].channels}),
        .CHANNEL_BITS(@{index_bits(LAYERS[0].channels)}),
        .MAP_BITS(@{index_bits(channels)}),
        .ROW_BITS(@{index_bits(rows)}),
        .COLUMN_BITS(@{index_bits(columns)}),
        .PLACES(PLACES)
    ) locate (
        .clk(clk),
        .clear(forget),
        .in_valid(link0_valid),
        .in_ready(link0_ready),
        .in_end(link0_end),
        .in_channel(link0_channel),
        .out_valid(located_valid),
        .out_ready(located_ready),
        .out_end(located_end),
        .out_map(located_map),
        .out_row(located_row),
        .out_column(located_column)
    );
@% endif %@
@% for layer in LAYERS %@
@% set at = loop.index0 %@
@% set after = loop.index %@

@% if not loop.last %@
    wire link@{after}_valid, link@{after}_ready, link@{after}_end;
    wire @{span(index_bits(layer.neurons))} link@{after}_channel;
@% endif %@
@% if layer.kind != "full" %@
@% set from = "link" ~ at if at else "located" %@
@% set maps, high, wide = layer.convolution.gives %@
    wire @{span(index_bits(maps))} link@{after}_map;
    wire @{span(index_bits(high))} link@{after}_row;
    wire @{span(index_bits(wide))} link@{after}_column;
@% if LAYERS[after].kind == "full" %@
    wire unused_link@{after} = &{1'b0, link@{after}_map, link@{after}_row, link@{after}_column};
@% else %@
    wire unused_link@{after} = &{1'b0, link@{after}_channel};
@% endif %@
@% if layer.kind == "conv2d" and at %@
    wire unused_overflow@{at};
@% endif %@
    @{NAME}_@{"conv" if layer.kind == "conv2d" else "pool"} #(
@% for parameter, value in layer.sizes().items() %@
        .@{parameter}(@{value}),
@% endfor %@
@% if layer.kind == "conv2d" %@
        .PARALLEL(PARALLEL),
        .LEAD_BITS(LEAD_BITS_@{at}),
        .THRESHOLD_BITS(@{layer.threshold_bits}),
        .GUARD(@{0 if at else 1}),
        .WEIGHTS(WEIGHTS_@{at}),
        .THRESHOLDS(THRESHOLDS_@{at}),
        .CHANNEL_TABLE(CHANNEL_TABLE_@{at}),
@% endif %@
        .ROW_TABLE(ROW_TABLE_@{at}),
        .COLUMN_TABLE(COLUMN_TABLE_@{at})
    ) layer@{at} (
        .clk(clk),
        .clear(forget),
        .in_valid(@{from}_valid),
        .in_ready(@{from}_ready),
        .in_end(@{from}_end),
        .in_channel(@{from}_map),
        .in_row(@{from}_row),
        .in_column(@{from}_column),
        .out_valid(link@{after}_valid),
        .out_ready(link@{after}_ready),
        .out_end(link@{after}_end),
        .out_map(link@{after}_map),
        .out_row(link@{after}_row),
        .out_column(link@{after}_column),
        .out_neuron(link@{after}_channel)@{"," if layer.kind == "conv2d" else ""}
@% if layer.kind == "conv2d" %@
        .overflow(@{"unused_overflow" ~ at if at else "overflow"})
@% endif %@
    );
@% else %@
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
@% endif %@
@% endfor %@

endmodule

`default_nettype wire
