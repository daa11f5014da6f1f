//! Users, directories, and images that lack programs.

use crate::script::{GROUP, SUPERVISOR, Script, Shell, script};

pub(crate) const SCRIPTS: &[Script] = &[
    script("system-identity", "id -u; id -g; id -G; umask; pwd"),
    script("system-limits", "ulimit -a"),
    script("system-capabilities", "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status"),
    script("system-root", "ls -A / | grep -v -x .dockerenv"),
    script("system-tmp-is-empty", "ls -A /tmp").alone(),
    script("system-shm-is-empty", "ls -A /dev/shm").alone(),
    script("system-run-is-clean", "ls -A /run /var 2>&1 | sort || :").alone(),
    script("system-dev", "ls /dev | grep -v -x -e script -e core"),
    script("system-write-root", "echo a > /system-file; cat /system-file; rm /system-file"),
    script(
        "system-long-argument",
        "A=$(head -c 100000 /dev/zero | tr '\\0' x); /bin/echo $A | wc -c",
    ),
    script(
        "system-too-long-argument",
        "A=$(head -c 200000 /dev/zero | tr '\\0' x); /bin/ls $A; echo after",
    ),
    script("unnamed-identity", "id -u; id -g; echo \"[$HOME]\"; umask; pwd").unnamed(),
    script(
        "unnamed-write",
        "echo a > /tmp/unnamed-file; cat /tmp/unnamed-file; stat -c %u:%g /tmp/unnamed-file",
    )
    .unnamed(),
    script("unnamed-write-denied", "echo a > /denied\necho after").unnamed(),
    script("unnamed-output", "echo a > /dev/stdout; echo b > /dev/stderr").unnamed(),
    script("unnamed-descriptors", "ls /proc/self/fd; [ -w /dev/null ] && echo null").unnamed(),
    script("unnamed-kill", "kill $$; echo went-on").unnamed(),
    script("unnamed-heredoc", "cat <<X\n$(echo in)\nX").unnamed(),
    script("unnamed-home", "cd || echo $?; echo ~").unnamed(),
    script("unnamed-kill-init", "kill -TERM 1; sleep 0.3; echo after")
        .unnamed()
        .differs(SUPERVISOR, &Shell::ALL),
    script("unnamed-environment", "env | sort").unnamed(),
    script("unnamed-exit", "exit 3").unnamed(),
    script("bare-echo", "echo a; echo b >&2; exit 3").bare(),
    script("bare-missing", "cat /dev/null\necho after").bare(),
    script("bare-kill", "kill $$; echo went-on").bare(),
    script("bare-heredoc", "while read a; do echo \"[$a]\"; done <<X\none\ntwo\nX").bare(),
    script("bare-read", "read a || echo none; echo after").bare(),
    script("bare-substitution", "a=$(echo in; exit 3) || echo $a $?").bare(),
    script("bare-background", "(exit 4) & wait $! || echo $?").bare(),
    script("bare-environment", "export -p").bare(),
    script("bare-files", "echo /* /usr/bin/*").bare(),
    script("bare-group", "kill 0; echo went-on").bare(),
    script("bare-group-by-number", "kill -- -$$; echo went-on")
        .bare()
        .differs(GROUP, &[Shell::Dash, Shell::Bash]),
    script(
        "bare-signals",
        "while read a; do case $a in Sig[PBIC]*) echo $a;; esac; done < /proc/$$/status",
    )
    .bare(),
    script("bare-error", "echo a\nno-such-command").bare(),
    script("bare-syntax", "echo a\nfi").bare(),
    script("bare-trap", "trap 'echo out $?' EXIT; false").bare(),
    script("bare-path-empty", "echo a; exit 4").bare().with(&[("PATH", "")]),
    script("bare-preload", "echo a; exit 4").bare().with(&[("LD_PRELOAD", "/no/such.so")]),
];
