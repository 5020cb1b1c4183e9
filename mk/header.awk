# Sets cbindgen's output as a page: a comment of one paragraph goes behind its constant or field, "====" becomes a banner,
# a paragraph before it a heading; constants of a group stand together. Changes comments, spaces and parentheses only, but
# for one thing: bits of 64-bit flags get the type they are used with, so that ~FLAG keeps the upper half.

function repeat(c, n,   s) { while (n-- > 0) s = s c; return s }

function banner(text) {
    printf "\n\n/* %s\n * %s\n * %s */\n", repeat("=", 114), text, repeat("=", 114)
}

# Code, and behind it the text in as many lines as it needs.
function beside(code, column, text,   n, i, words, line, pad) {
    if (text == "") { print code; return }
    pad = column - length(code)
    line = code repeat(" ", pad > 1 ? pad : 1) "/* "
    n = split(text, words, " ")
    for (i = 1; i <= n; i++) {
        if (length(line) + length(words[i]) + (i == n ? 3 : 0) > 120) {
            sub(/ +$/, "", line); print line
            line = repeat(" ", column + 3)
        }
        line = line words[i] (i < n ? " " : "")
    }
    print line " */"
}

# The collected comment: banner, heads (all paragraphs but the last), last.
function take(   i, text) {
    heading = ""; last = ""; title = ""
    for (i = 1; i <= lines; i++) {
        text = doc[i]
        if (text ~ /^====/) { sub(/^==== */, "", text); title = text; continue }
        if (text == "") { if (last != "") heading = heading (heading == "" ? "" : "\n") last; last = ""; continue }
        last = last (last == "" ? "" : " ") text
    }
    lines = 0
}

function block(indent,   i, first) {
    first = 1
    if (doc[1] ~ /^====/) {
        title = doc[1]; sub(/^==== */, "", title); banner(title)
        first = 2
        if (doc[first] == "") first++
    }
    if (first <= lines) {
        print ""
        print indent "/**"
        for (i = first; i <= lines; i++) print indent " *" (doc[i] == "" ? "" : " " doc[i])
        print indent " */"
    }
    lines = 0
}

/^ *\/\*\*$/ { indoc = 1; lines = 0; next }
indoc && /^ *\*\/$/ { indoc = 0; next }
indoc { text = $0; sub(/^ *\* ?/, "", text); doc[++lines] = text; next }

/^#define RAFTCORE_[A-Z]/ {
    if (lines == 0 && !indefines) { print; next }
    name = $2; value = $3
    for (i = 4; i <= NF; i++) value = value " " $i
    if (name ~ /^RAFTCORE_(FLAG|RF|MF|FEATURE)_/) value = "UINT64_C(" value ")"
    if (name ~ /^RAFTCORE_PF_/) value = value "u"
    if (value ~ /^[0-9]+ull$/) { sub(/ull$/, "", value); value = "UINT64_C(" value ")" }
    if (value ~ /^-/) value = "(" value ")"
    take()
    if (title != "") banner(title)
    if (heading != "") { n = split(heading, parts, "\n"); for (i = 1; i <= n; i++) print "\n/* " parts[i] " */" }
    else if (title != "") print ""
    beside(sprintf("#define %-38s %s", name, value), 64, last)
    indefines = 1
    next
}

# A function: its answer on one line, its name and arguments on the next.
function declare(code,   open, head, name, n, args, i, line) {
    gsub(/struct raftcore_/, "raftcore_", code)
    open = index(code, "(")
    head = substr(code, 1, open - 1)
    match(head, /[a-z_]+$/)
    name = substr(head, RSTART)
    head = substr(head, 1, RSTART - 1); sub(/ +$/, "", head)
    print head
    line = name "("
    n = split(substr(code, open + 1), args, ", ")
    for (i = 1; i <= n; i++) {
        if (length(line) + length(args[i]) > 118) { sub(/ +$/, "", line); print line; line = repeat(" ", 4) }
        line = line args[i] (i < n ? ", " : "")
    }
    print line
}
/^RAFTCORE_API / {
    if (lines) block("")
    blank = 0; indefines = 0
    code = $0
    while (code !~ /;$/ && (getline next_line) > 0) { sub(/^ +/, "", next_line); code = code " " next_line }
    declare(code)
    next
}

/^typedef struct .*\{$/ { if (lines) block(""); instruct = 1; print; next }
/^\} / { instruct = 0; print; next }
instruct && /^ / { take(); sub(/struct raftcore_/, "raftcore_"); beside($0, 40, last); next }
instruct && /^$/ { next }
/^$/ { if (!lines && !indefines) blank = 1; next }
{
    if (lines) { block(""); blank = 0 }
    if (blank) print ""
    blank = 0; indefines = 0
    print
}
