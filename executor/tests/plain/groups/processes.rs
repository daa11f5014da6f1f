//! Children, jobs in the background, process groups and descriptors.

use crate::script::{SUPERVISOR, Script, Shell, script};

pub(crate) const SCRIPTS: &[Script] = &[
    script("process-background-wait", "(sleep 0.2; echo late) & echo early; wait; echo after"),
    script("process-background-wait-code", "(exit 4) & wait $! || echo $?\necho after"),
    script("process-background-wait-fails", "(exit 4) & wait $!\necho after"),
    script(
        "process-background-many",
        "for i in 1 2 3 4 5; do (echo $i > /tmp/process-$i) & done; wait; cat /tmp/process-[1-5]",
    ),
    script("process-background-input", "cat & wait; echo after"),
    script("process-background-not-waited", "sleep 0.1 & echo after"),
    script("process-background-quiet-leftover", "sleep 100 >/dev/null 2>&1 & echo after; exit 2")
        .alone(),
    script("process-background-leftover", "sleep 100 & echo after; exit 2").alone(),
    script("process-nohup-leftover", "nohup sleep 100 >/dev/null 2>&1 & echo after").alone(),
    script("process-setsid-leftover", "setsid sleep 100 & echo after; exit 3").alone(),
    script("process-daemon", "(sleep 100 </dev/null >/dev/null 2>&1 &)\necho after").alone(),
    script(
        "process-exit-trap-with-child",
        "sleep 100 & p=$!\ntrap 'kill $p; echo cleaned' EXIT\necho work\nexit 3",
    ),
    script("process-exit-trap-with-wait", "sleep 0.2 &\ntrap 'wait; echo cleaned' EXIT\necho work"),
    script("process-exit-trap-kill-0", "sleep 100 &\ntrap 'trap - TERM; kill 0' EXIT\necho work"),
    script(
        "process-exit-trap-kill-group",
        "sleep 100 &\ntrap 'trap \"\" TERM; kill -- -$$; echo cleaned' EXIT\necho work",
    ),
    script(
        "process-exit-trap-kill-jobs",
        "sleep 100 & sleep 100 &\ntrap 'kill $(jobs -p); echo cleaned' EXIT\necho work",
    ),
    script("process-jobs", "sleep 100 & jobs | sed 's/  */ /g'; kill $!"),
    script("process-fg", "sleep 0.1 & fg || echo $?\necho after"),
    script("process-set-m", "set -m; sleep 0.1 & wait; echo $?"),
    script(
        "process-zombies",
        "for i in 1 2 3; do (sh -c 'exit 0' &) ; done; sleep 0.3; grep -l '^State:.Z' /proc/[0-9]*/status || echo none",
    ),
    script(
        "process-group-leader",
        "set -- $(cat /proc/$$/stat); [ $5 = $$ ] && echo leader || echo member",
    ),
    script(
        "process-pid-of-subshell",
        "[ $$ = \"$(echo $$)\" ] && echo same; (echo $$) | grep -qx $$ && echo same",
    ),
    script(
        "process-pid-in-proc",
        "[ -d /proc/$$ ] && echo there; sh -c 'echo $PPID' | grep -qx $$ && echo parent",
    ),
    script("process-children-none", "set -- $(cat /proc/$$/task/$$/children); echo $#"),
    script("process-terminal", "set -- $(cat /proc/$$/stat); echo $7 $8"),
    script("process-descriptors", "ls /proc/self/fd"),
    script("process-descriptors-of-child", "sh -c 'ls /proc/self/fd'; (ls /proc/self/fd)"),
    script("process-descriptors-in-background", "ls /proc/self/fd & wait"),
    script("process-descriptors-in-pipe", "true | ls /proc/self/fd | cat"),
    script(
        "process-descriptor-free",
        "for i in 3 4 5 6 7 8 9; do (eval \": >&$i\") 2>/dev/null && echo $i; done; echo end",
    ),
    script(
        "process-descriptor-9",
        "exec 9>/tmp/process-9; echo a >&9; exec 9>&-; cat /tmp/process-9; echo after",
    ),
    script("process-descriptor-9-read", "cat <&9 || echo none\necho after"),
    script(
        "process-descriptors-all-used",
        "exec 3>/dev/null 4>/dev/null 5>/dev/null 6>/dev/null 7>/dev/null 8>/dev/null 9>/dev/null\necho a\nexec 3>&- 9>&-\necho b",
    ),
    script(
        "process-lock",
        "exec 9>/tmp/process-lock; flock 9; echo locked; flock -u 9; echo unlocked",
    ),
    script("process-pipeline-codes", "true | false | true || :; echo ${PIPESTATUS[*]}").bash(),
    script("process-lastpipe", "echo a | read b || :; echo \"[$b]\""),
    script("process-coproc", "coproc cat; echo hi >&${COPROC[1]}; read a <&${COPROC[0]}; echo $a")
        .bash(),
    script("process-wait-n", "(exit 3) & wait -n || echo $?").bash(),
    script("process-time", "TIMEFORMAT=; time true; echo after").bash(),
    script("process-exec-name", "exec sh -c 'echo $0; exit 0' name"),
    script("process-exec-redirect", "exec sh -c 'echo in' > /tmp/process-exec"),
    script("process-nested", "sh -c 'sh -c \"exit 5\"; echo $?; exit 6' || echo $?"),
    script("process-nested-e", "sh -ec 'false; echo went on' || echo $?"),
    script(
        "process-script-in-script",
        "echo 'echo $0; false; echo on' > /tmp/process-script; sh /tmp/process-script\necho after",
    ),
    script(
        "process-fork-many",
        "i=0; while [ $i -lt 200 ]; do /bin/true; i=$((i+1)); done; echo $i",
    ),
    script(
        "process-kill-all-children",
        "sleep 50 & sleep 50 & kill $! ; wait $! || echo $?; kill $(jobs -p) 2>/dev/null || :; echo after",
    ),
    script("process-kill-minus-1", "kill -9 -1; echo went-on")
        .differs(SUPERVISOR, &Shell::ALL)
        .alone(),
    script("process-kill-minus-1-term", "kill -TERM -1; echo went-on")
        .differs(SUPERVISOR, &Shell::ALL)
        .alone(),
    script("process-kill-init", "kill -TERM 1; sleep 0.3; echo went-on")
        .differs(SUPERVISOR, &Shell::ALL)
        .alone(),
    script("process-kill-parent", "kill -TERM $PPID; sleep 0.3; echo went-on")
        .differs(SUPERVISOR, &Shell::ALL)
        .alone(),
    script("process-kill-9-parent", "kill -9 $PPID; sleep 0.3; echo went-on")
        .differs(SUPERVISOR, &Shell::ALL)
        .alone(),
    script("process-stop-self", "(sleep 0.3; kill -CONT $$) & kill -STOP $$; echo went-on"),
    script("process-name", "cat /proc/$$/comm"),
    script("process-cgroup-limits", "ulimit -n; ulimit -u; ulimit -s; ulimit -c"),
    script("process-nice", "nice; cat /proc/self/oom_score_adj"),
];
