// Feeds the golden vectors to one instance of the design and compares with what is expected: the decision, its step,
// whether it was silent, and every spike of every hidden layer, which come as streams of the same items as the input.
`timescale 1ns / 1ns
`default_nettype none

module @{NAME}_bench #(
    parameter PARALLEL = @{PARALLEL},
    parameter EARLY_EXIT = 1,
    parameter DRAIN = 0,  // 1: also offers what follows the decision; 0: begins the next image at once
    parameter GAPS = 0,   // 1: the source pauses now and then
    parameter VECTORS = @{VECTORS}
) (
    output reg finished,
    output reg passed
);

    localparam COLUMNS = @{COLUMNS};  // of the table of where each vector begins: input, hidden layers
    localparam PATIENCE = @{PATIENCE};  // cycles without any item moving
    localparam BEGIN = 0, RUN = 1, REST = 2, END = 3;

    reg [16:0] items [0:@{ITEMS}-1];  // 65536 + 0: end of step; else channel
    reg [31:0] offsets [0:@{OFFSETS}-1];
    reg [24:0] expected [0:@{VECTORS}-1];  // silent, step, class
    initial begin
        $readmemh("test/@{NAME}_stimulus.hex", items);
        $readmemh("test/@{NAME}_offsets.hex", offsets);
        $readmemh("test/@{NAME}_expected.hex", expected);
    end

    reg verbose;
    reg clk = 1'b0;
    initial begin
        finished = 1'b0;
        passed = 1'b0;
        verbose = $test$plusargs("cycles");
        while (!finished) #5 clk = !clk;  // stands still once all is done
    end

    reg rst = 1'b1;
    reg start = 1'b0;
    reg [1:0] state = BEGIN;
    reg [2:0] pause = 3'd0;
    reg [15:0] noise = 16'd1;
    integer warmup = 0, vector = 0, at = 0, cycles = 0, still = 0, failed = 0;
    integer least = 0, most = 0;
    real total = 0.0;

    wire in_ready, busy, done, silent, error;
    wire in_valid = (state == RUN || state == REST) && at < offsets[(vector + 1) * COLUMNS] && pause == 3'd0;
    wire [16:0] item = items[in_valid ? at : 0];
@% if CHANNEL_BITS < 16 %@
    wire unused_bits = &{1'b0, item[15:@{CHANNEL_BITS}]};
@% endif %@
    wire take = in_valid && in_ready;
    wire @{span(CLASS_BITS)} decision;
    wire @{span(STEP_BITS)} decision_step;
    wire [24:0] found = {silent, @{padding(STEP_BITS, 8)}decision_step, @{padding(CLASS_BITS, 16)}decision};
@% for i in LINKS %@
    wire sent@{i}, wrong@{i};
    wire [31:0] at@{i};
@% endfor %@
    wire moved = (take@% for i in LINKS %@ || sent@{i}@% endfor %@) === 1'b1;  // what is unknown has not
    wire spikes_wrong = 1'b0@% for i in LINKS %@ || wrong@{i}@% endfor %@;
    wire spikes_whole = 1'b1@% for i in LINKS %@ && at@{i} == offsets[(vector + 1) * COLUMNS + @{i}]@% endfor %@;
    wire calm = busy === 1'b0 && error === 1'b0;
    wire right = found === expected[vector] && calm && !spikes_wrong && (EARLY_EXIT != 0 || spikes_whole);

    @{NAME} #(
        .PARALLEL(PARALLEL),
        .EARLY_EXIT(EARLY_EXIT)
    ) dut (
        .clk(clk),
        .rst(rst),
        .start(start),
        .busy(busy),
        .in_valid(in_valid),
        .in_ready(in_ready),
        .in_end(item[16]),
        .in_channel(item[@{CHANNEL_BITS}-1:0]),
        .done(done),
        .decision(decision),
        .decision_step(decision_step),
        .silent(silent),
        .error(error)
    );
@% for i in LINKS %@

    assign sent@{i} = dut.link@{i}_valid && dut.link@{i}_ready;
    @{NAME}_stream #(
        .ITEMS(@{SPIKES[i]}),
        .FILE("test/@{NAME}_spikes_@{i - 1}.hex")
    ) stream@{i} (
        .clk(clk),
        .restart(start),
        .from(offsets[vector * COLUMNS + @{i}]),
        .valid(sent@{i}),
        .item(dut.link@{i}_end ? 17'h10000 : {1'b0, @{padding(LINK_BITS[i], 16)}dut.link@{i}_channel}),
        .at(at@{i}),
        .wrong(wrong@{i})
    );
@% endfor %@

    always @(posedge clk) begin
        noise <= {noise[14:0], noise[15] ^ noise[13] ^ noise[12] ^ noise[10]};
        if (take) begin
            at <= at + 1;
            pause <= GAPS != 0 && noise[3] ? noise[2:0] : 3'd0;
        end else if (pause != 3'd0) pause <= pause - 3'd1;

        case (state)
            BEGIN: begin
                warmup <= warmup + 1;
                rst <= warmup < 2;
                if (warmup >= 3) begin
                    if (vector == VECTORS) begin
                        state <= END;
                        finished <= 1'b1;
                        passed <= failed == 0;
                        report;
                    end else begin
                        start <= 1'b1;
                        at <= offsets[vector * COLUMNS];
                        cycles <= 0;
                        still <= 0;
                        state <= RUN;
                    end
                end
            end
            RUN: begin
                start <= 1'b0;
                still <= moved ? 0 : still + 1;
                if (!start && done) begin
                    judge;
                    if (DRAIN != 0) state <= REST;
                    else begin
                        state <= BEGIN;
                        vector <= vector + 1;
                    end
                end else if (!start) cycles <= cycles + 1;
                if (still > PATIENCE) begin
                    $display("FAIL vector %0d: nothing has moved for %0d cycles", vector, still);
                    failed <= failed + VECTORS - vector;
                    vector <= VECTORS;
                    state <= BEGIN;
                end
            end
            REST: begin
                still <= take ? 0 : still + 1;
                if (at >= offsets[(vector + 1) * COLUMNS]) begin
                    state <= BEGIN;
                    vector <= vector + 1;
                end else if (still > PATIENCE) begin
                    $display("FAIL vector %0d: what follows the decision is not taken", vector);
                    failed <= failed + VECTORS - vector;
                    vector <= VECTORS;
                    state <= BEGIN;
                end
            end
            default: ;
        endcase
    end

    task judge;
        begin
            if (verbose) $display("early_exit=%0d vector=%0d cycles=%0d", EARLY_EXIT, vector, cycles);
            total <= total + cycles;
            if (vector == 0 || cycles < least) least <= cycles;
            if (cycles > most) most <= cycles;
            if (!right) begin
                failed <= failed + 1;
                if (failed < 10)
                    $display("FAIL vector %0d: class %0d at step %0d, silent %0d; expected %0d at %0d, %0d; hidden spikes %0s",
                             vector, found[15:0], found[23:16], found[24], expected[vector][15:0],
                             expected[vector][23:16], expected[vector][24],
                             spikes_wrong || (EARLY_EXIT == 0 && !spikes_whole) ? "differ" : "agree");
            end
        end
    endtask

    task report;
        $display("@{NAME} parallel=%0d early_exit=%0d vectors=%0d passed=%0d failed=%0d cycles: mean=%0.1f least=%0d most=%0d",
                 PARALLEL, EARLY_EXIT, VECTORS, VECTORS - failed, failed, total / VECTORS, least, most);
    endtask

endmodule

`default_nettype wire
