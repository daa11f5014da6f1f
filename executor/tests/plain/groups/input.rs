//! Standard input is empty, and no program takes the rest of the script from it.

use crate::script::{Script, script};

pub(crate) const SCRIPTS: &[Script] = &[
    script("input-cat", "cat; echo after $?"),
    script("input-read", "read a || echo \"none $? [$a]\"\necho after"),
    script("input-read-fails", "read a\necho after"),
    script("input-read-options", "read -r -t 1 a || echo none\necho after")
        .only(&[crate::script::Shell::Ash, crate::script::Shell::Bash]),
    script("input-terminal", "[ -t 0 ] || echo 0; [ -t 1 ] || echo 1; [ -t 2 ] || echo 2"),
    script("input-wc", "wc -c; echo after"),
    script("input-while-read", "while read a; do echo \"[$a]\"; done; echo after"),
    script(
        "input-eater",
        "eat() { cat > /dev/null; }\nfor i in 1 2 3; do eat; echo $i; done\necho after",
    ),
    script(
        "input-eater-program",
        "sh -c 'cat >/dev/null'\necho after one\nhead -n1\necho after two",
    ),
    script("input-shell", "sh\necho after $?"),
    script("input-shell-s", "sh -s a b\necho after $?"),
    script(
        "input-eater-background",
        "cat > /tmp/input-eaten & wait; wc -c < /tmp/input-eaten; echo after",
    ),
    script("input-link", "readlink /proc/self/fd/0"),
    script("input-dev-stdin", "cat /dev/stdin; echo after"),
    script("input-write", "echo a >&0 || echo cannot\necho after"),
    script("input-closed", "exec <&-\ncat || echo $?\necho after"),
    script("input-heredoc", "cat <<X\nline\nX\ncat\necho after"),
    script(
        "input-replaced",
        "echo text > /tmp/input-text; exec < /tmp/input-text\nread a; echo $a; read a || echo end",
    ),
    script("input-xargs", "xargs echo none\necho after"),
    script("input-select", "select a in x y; do echo $a; done\necho after $?").bash(),
    script("input-mapfile", "mapfile a; echo ${#a[@]}").bash(),
    script("input-tty", "tty || echo $?\n(: < /dev/tty) 2>/dev/null || echo none"),
    script("input-tty-error", "echo a > /dev/tty\necho after"),
];
