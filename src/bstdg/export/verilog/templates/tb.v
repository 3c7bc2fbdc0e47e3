// The golden vectors twice: with early exit and to the last step. Run it in the folder above this one;
// with +cycles it prints the cycles of every vector.
`timescale 1ns / 1ns
`default_nettype none

module @{NAME}_tb #(
    parameter PARALLEL = @{PARALLEL},
    parameter GAPS = 0,
    parameter VECTORS = @{VECTORS}
);

    wire early_finished, early_passed, full_finished, full_passed;

    @{NAME}_bench #(
        .PARALLEL(PARALLEL),
        .EARLY_EXIT(1),
        .GAPS(GAPS),
        .VECTORS(VECTORS)
    ) early (
        .finished(early_finished),
        .passed(early_passed)
    );

    @{NAME}_bench #(
        .PARALLEL(PARALLEL),
        .EARLY_EXIT(0),
        .GAPS(GAPS),
        .VECTORS(VECTORS)
    ) full (
        .finished(full_finished),
        .passed(full_passed)
    );

    initial begin
        wait (early_finished && full_finished);
        #1;
        if (early_passed && full_passed) $display("PASS");
        else $display("FAIL");
        $finish;
    end

endmodule

`default_nettype wire
