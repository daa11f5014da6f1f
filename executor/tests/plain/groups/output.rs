//! What comes out: bytes, streams, amounts.

use crate::script::{Script, made, script};

pub(crate) const SCRIPTS: &[Script] = &[
    script("output-nothing", ":"),
    script("output-no-newline", "printf abc"),
    script("output-no-newline-both", "printf abc; printf def >&2"),
    script("output-streams", "for i in 1 2 3 4 5; do echo out $i; echo err $i >&2; done"),
    script("output-bytes", r"printf '\000\001\002\177\200\376\377\r\n\033[31m\b'"),
    script("output-bytes-stderr", r"printf '\000\001\377\r\n' >&2"),
    script("output-latin-1", r"printf 'caf\351\n'; printf '\351' >&2"),
    script("output-utf-8", "echo 'naïve – 日本 🚢'; echo Ü >&2"),
    script("output-carriage-return", r"printf 'a\rb\r\nc\r\n'"),
    script("output-1-mb", "head -c 1048576 /dev/zero | tr '\\0' x; echo end"),
    script("output-1-mb-stderr", "head -c 1048576 /dev/zero | tr '\\0' y >&2; exit 2"),
    script("output-lines", "seq 1 20000"),
    script("output-lines-both", "seq 1 5000; seq 5001 9000 >&2"),
    script("output-long-line", "head -c 300000 /dev/zero | tr '\\0' z; echo; exit 1"),
    script("output-closed", "exec >&-\necho lost\necho after >&2"),
    script("output-closed-command", "echo lost >&- || echo failed\necho after"),
    script("output-closed-both", "exec >&- 2>&-\necho lost\nexit 3"),
    script("output-to-stderr", "exec >&2\necho a; echo b >&2"),
    script("output-to-stdout", "exec 2>&1\necho a; echo b >&2; no-such-command"),
    script("output-swapped", "{ echo out; echo err >&2; } 3>&1 1>&2 2>&3"),
    script(
        "output-saved",
        "exec 3>&1 >/tmp/output-saved\necho in file\nexec >&3 3>&-\ncat /tmp/output-saved; echo after",
    ),
    script("output-dev-stdout", "echo a > /dev/stdout; echo b > /dev/stderr; echo c"),
    script("output-dev-fd", "echo a > /dev/fd/1; echo b > /dev/fd/2; echo c >> /dev/stdout"),
    script("output-proc-fd", "echo a > /proc/self/fd/1; echo b"),
    script("output-of-other-process", "(echo a > /proc/$$/fd/1); echo b"),
    script("output-dev-full", "echo a > /dev/full || echo failed $?\necho after"),
    script("output-links", "for i in 1 2; do l=$(readlink /proc/$$/fd/$i); echo ${l%%:*}; done"),
    script(
        "output-same-pipe",
        "[ $(readlink /proc/$$/fd/1) != $(readlink /proc/$$/fd/2) ] && echo two",
    ),
    script("output-tee", "exec > /tmp/output-tee\necho a\nexec >&2\ncat /tmp/output-tee"),
    script(
        "output-tee-pipe",
        "{ echo a; echo b; } | tee /tmp/output-tee-pipe; cat /tmp/output-tee-pipe",
    ),
    script(
        "output-tee-process",
        "exec > >(tee /tmp/output-log)\necho a\necho b\nexec >&-\nwait $!",
    )
    .bash(),
    script(
        "output-process-substitution",
        "cat <(echo a; echo b)\ndiff <(echo 1) <(echo 1) && echo same",
    )
    .bash(),
    script("output-process-substitution-fails", "cat <(exit 3)\necho after").bash(),
    script("output-pipe-stderr", "ls /no/such/file |& cat\necho after").bash(),
    script(
        "output-both-redirected",
        "ls /no/such/file &> /tmp/output-both || cat /tmp/output-both",
    )
    .bash(),
    script("output-sigpipe-fails", "yes | head -n1\necho after"),
    script("output-sigpipe-or", "yes | head -n1 || echo $?"),
    script(
        "output-sigpipe-builtin",
        "(i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i+1)); done; echo done >&2) | head -n1 || echo $?",
    ),
    script(
        "output-xtrace-file",
        "exec 7>/tmp/output-trace; BASH_XTRACEFD=7; set -x; echo a; set +x; cat /tmp/output-trace",
    )
    .bash(),
    script("output-markers", "printf '0123456789abcdef0123456789abcdef-0.'; printf '#+-+-.'"),
    script("output-order-by-sleep", "echo a; sleep 0.1; echo b; sleep 0.1; echo c; exit 2"),
    script("output-help", "cd --no-such-option || echo $?"),
    made("output-made-of-long-word", || format!("echo {}", "w".repeat(60_000))),
    script(
        "output-after-exec-close",
        "exec 1>&- ; exec 1>/tmp/output-again; echo a; cat /tmp/output-again >&2",
    ),
    script(
        "output-noclobber",
        "set -C\necho a > /tmp/output-clobber\necho b > /tmp/output-clobber\necho after",
    ),
];
