//! Scripts that no shell can read, and the lines that errors name.

use crate::script::{Script, made, script};

pub(crate) const SCRIPTS: &[Script] = &[
    script("syntax-at-start", ")\necho after"),
    script("syntax-stray-done", "echo before\ndone\necho after"),
    script("syntax-stray-fi", "echo before\nfi\necho after"),
    script("syntax-stray-brace", "echo before\n}\necho after"),
    script("syntax-stray-parenthesis", "echo before\n)\necho after"),
    script("syntax-stray-semicolons", "echo before\n;;\necho after"),
    script("syntax-stray-and", "echo before\n&& echo b\necho after"),
    script("syntax-unterminated-quote", "echo before\necho 'abc\necho after"),
    script("syntax-unterminated-double", "echo before\necho \"abc\necho after"),
    script("syntax-unterminated-backquote", "echo before\necho `abc\necho after"),
    script("syntax-unterminated-substitution", "echo before\necho $(abc\necho after"),
    script("syntax-unterminated-brace", "echo before\necho ${abc\necho after"),
    script("syntax-unterminated-heredoc", "echo before\ncat <<X\nline\nother"),
    script("syntax-unterminated-if", "echo before\nif true; then\necho in"),
    script("syntax-unterminated-for", "echo before\nfor i in 1 2; do\necho in"),
    script("syntax-unterminated-function", "echo before\nf() {\necho in"),
    script("syntax-unterminated-subshell", "echo before\n(echo in"),
    script("syntax-unterminated-case", "echo before\ncase a in\na) echo in"),
    script("syntax-bad-substitution", "echo before\necho ${a!b}\necho after"),
    script("syntax-bad-for", "for 1 in a; do echo; done"),
    script("syntax-bad-name", "1a=b\necho after"),
    script("syntax-bad-arithmetic", "echo $((1 +))\necho after"),
    script("syntax-in-eval", "eval 'echo (' || echo $?\necho after"),
    script("syntax-in-eval-line", "echo a\neval 'true\nno-such-command' || echo $?"),
    script(
        "syntax-in-file",
        "echo 'echo in\nif' > /tmp/syntax-file\n. /tmp/syntax-file\necho after",
    ),
    script("syntax-missing-file", ". /no/such/file\necho after"),
    script("syntax-missing-file-in-path", ". no-such-file\necho after"),
    script("syntax-missing-file-or", "command . /no/such/file || echo $?\necho after"),
    script("syntax-trailing-backslash", "echo a\\"),
    script("syntax-continued-line", "echo a \\\n  b \\\n  c\nno-such-command"),
    script("syntax-line-after-heredoc", "cat <<X > /dev/null\n1\n2\n3\n4\n5\nX\nno-such-command"),
    script("syntax-line-in-function", "f() {\n  true\n  no-such-command\n}\n\nf"),
    script("syntax-line-in-substitution", "a=$(\ntrue\nno-such-command\n)\n"),
    script("syntax-line-in-subshell", "(\ntrue\nno-such-command\n)"),
    script("syntax-line-in-pipe", "true |\nno-such-command |\ncat"),
    script("syntax-line-in-loop", "for i in 1\ndo\n  no-such-command\ndone"),
    script("syntax-lineno", "echo $LINENO\n\necho $LINENO\nf() {\necho $LINENO\n}\nf"),
    script("syntax-lineno-heredoc", "cat <<X\n$LINENO\nX\necho $LINENO"),
    script("syntax-comment-lines", "# a\n# b\n\n# c\nno-such-command # d"),
    script("syntax-crlf-in-middle", "echo a\r\necho b\r\n"),
    script("syntax-shebang", "#!/no/such/shell\necho a"),
    script("syntax-tabs", "\techo a\n\tcat <<-X\n\tline\n\tX\n\tno-such-command"),
    script("syntax-blank", "   \n\n  \n"),
    script("syntax-leading-newlines", "\n\n\necho a"),
    script("syntax-alias", "alias e='echo aliased'\ne a"),
    script("syntax-bashism-array", "a=(1 2)\necho after"),
    script("syntax-bashism-function", "function f { echo in; }\nf"),
    script("syntax-bashism-here-string", "cat <<< text"),
    script("syntax-bashism-brackets", "[[ a = a ]] && echo same"),
    script("syntax-extglob-late", "shopt -s extglob\necho @(a|b)").bash(),
    script("syntax-unbound-array", "set -u\na=()\necho \"${a[@]}\" after\necho $b").bash(),
    made("syntax-line-4999", || {
        let mut text = ":\n".repeat(4_998);
        text.push_str("no-such-command\necho after\n");
        text
    }),
    made("syntax-200-kb", || {
        let mut text = String::from("n=0\n");
        for number in 0..4_000 {
            text.extend(["n=$((n + ", &number.to_string(), ")) # ", &"x".repeat(25), "\n"]);
        }
        text.push_str("echo $n\nexit 3\n");
        text
    }),
    made("syntax-long-heredoc", || {
        format!(
            "wc -l <<'X'\n{}X\nno-such-command",
            "line with $dollar and `quote`\n".repeat(3_000)
        )
    }),
    made("syntax-long-heredoc-expanded", || {
        format!("a=b\nwc -c <<X\n{}X\nno-such-command", "line with $a\n".repeat(3_000))
    }),
    made("syntax-error-after-5000-lines", || {
        format!("echo before\n{}fi\n", "true\n".repeat(5_000))
    }),
    made("syntax-deep", || format!("{}echo deep{}", "(".repeat(50), ")".repeat(50))),
];
