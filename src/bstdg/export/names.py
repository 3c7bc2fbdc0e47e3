"""Names that a C compiler and a Verilog simulator both take."""

from __future__ import annotations

import re

from bstdg.errors import InputError

LONGEST = 40  # with what is put behind it, within the 63 characters that C99 tells apart
_ESCAPED = frozenset('"\\?')  # in a string of C; two question marks could begin a trigraph
_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)*_?")

_C = """
auto break case char const continue default do double else enum extern float for goto if inline int long register
restrict return short signed sizeof static struct switch typedef union unsigned void volatile while
asm main bool true false nullptr typeof constexpr alignas alignof thread_local static_assert
class delete new this template typename namespace operator private protected public friend virtual explicit export
using try catch throw and or not xor compl bitand bitor
"""
_VERILOG = """
accept_on alias always always_comb always_ff always_latch and assert assign assume automatic before begin bind bins
binsof bit break buf bufif0 bufif1 byte case casex casez cell chandle checker class clocking cmos config const
constraint context continue cover covergroup coverpoint cross deassign default defparam design disable dist do edge
else end endcase endchecker endclass endclocking endconfig endfunction endgenerate endgroup endinterface endmodule
endpackage endprimitive endprogram endproperty endspecify endsequence endtable endtask enum event eventually expect
export extends extern final first_match for force foreach forever fork forkjoin function generate genvar global highz0
highz1 if iff ifnone ignore_bins illegal_bins implements implies import incdir include initial inout input inside
instance int integer interconnect interface intersect join join_any join_none large let liblist library local
localparam logic longint macromodule matches medium modport module nand negedge nettype new nexttime nmos nor
noshowcancelled not notif0 notif1 null or output package packed parameter pmos posedge primitive priority program
property protected pull0 pull1 pulldown pullup pulsestyle_ondetect pulsestyle_onevent pure rand randc randcase
randsequence rcmos real realtime ref reg reject_on release repeat restrict return rnmos rpmos rtran rtranif0 rtranif1
s_always s_eventually s_nexttime s_until s_until_with scalared sequence shortint shortreal showcancelled signed small
soft solve specify specparam static string strong strong0 strong1 struct super supply0 supply1 sync_accept_on
sync_reject_on table tagged task this throughout time timeprecision timeunit tran tranif0 tranif1 tri tri0 tri1 triand
trior trireg type typedef union unique unique0 unsigned until until_with untyped use uwire var vectored virtual void
wait wait_order wand weak weak0 weak1 while wildcard wire with within wor xnor xor
"""
KEYWORDS = frozenset(_C.split()) | frozenset(_VERILOG.split())


def check(name: str) -> str:
    """`name` itself, if C and Verilog both take it as an identifier.

    Raises:
        InputError: they do not; the message suggests one that they take.

    >>> check("mnist")
    'mnist'
    >>> check("2 fast")
    Traceback (most recent call last):
    bstdg.errors.InputError: '2 fast' is no identifier in C and Verilog; take for instance 'net_2_fast'
    """
    if name.lower() in KEYWORDS:
        raise InputError(f"{name!r} is a keyword of C or Verilog; take for instance {suggest(name)!r}")
    if not _IDENTIFIER.fullmatch(name):
        raise InputError(f"{name!r} is no identifier in C and Verilog; take for instance {suggest(name)!r}")
    if len(name) > LONGEST:
        raise InputError(f"{name!r} has {len(name)} characters, at most {LONGEST} are taken")
    return name


def suggest(text: str) -> str:
    """An identifier that is near `text`.

    >>> suggest("fashion-mnist"), suggest("wire"), suggest("é")
    ('fashion_mnist', 'wire_net', 'net')
    """
    name = re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_") or "net"
    if not name[0].isalpha():
        name = f"net_{name}"
    if name.lower() in KEYWORDS:
        name = f"{name}_net"
    return name[:LONGEST].rstrip("_")


def quoted(text: str) -> str:
    """A text of anyone's in one line that holds nothing but what can be seen, as a comment may show it.

    >>> quoted("cat"), quoted('a"b\\n\\x1b')
    ('"cat"', '"a\\\\"b\\\\u000a\\\\u001b"')
    """
    shown = (c if c.isprintable() else f"\\u{ord(c):04x}" for c in text.replace("\\", r"\\").replace('"', r"\""))
    return f'"{"".join(shown)}"'


def c_text(text: str) -> str:
    """A text of anyone's as a string literal of C: UTF-8, of which what is no plain ASCII is written in octal digits.

    >>> c_text("cat"), c_text('"??/\\n')
    ('"cat"', '"\\\\"\\\\?\\\\?/\\\\012"')
    """
    try:
        data = text.encode("utf-8", "surrogateescape")  # bytes of a file's name that are no text come back as they were
    except UnicodeEncodeError:
        data = text.encode("utf-8", "replace")
    plain = (chr(b) if 32 <= b < 127 else f"\\{b:03o}" for b in data)
    return f'"{"".join(f"{chr(92)}{c}" if c in _ESCAPED else c for c in plain)}"'


def cut(text: str, most: int = 250) -> str:
    """A text of at most so many characters, the last of them saying that there were more."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
