//! Variables of the container.

use crate::script::{FIRST_COMMAND, PATH, PWD, Script, Shell, script};

const NOT_BASH: &[Shell] = &[Shell::Ash, Shell::Dash];

pub(crate) const SCRIPTS: &[Script] = &[
    script("environment-all", "env | sort"),
    script("environment-all-proc", "tr '\\0' '\\n' < /proc/self/environ | sort"),
    script("environment-of-shell", "tr '\\0' '\\n' < /proc/$$/environ | sort").differs(PWD, &Shell::ALL),
    script("environment-set", "set | grep -v -e PID= -e RANDOM= -e SECONDS= -e BASH_VERS -e EPOCH -e SRANDOM -e ^_= | sort")
        .differs(FIRST_COMMAND, &[Shell::Bash]),
    script("environment-exported", "export -p | sort"),
    script("environment-variables", "env | sort").with(&[("A", "1"), ("B", "two words"), ("C", "")]),
    script("environment-odd-values", "printf '[%s]\\n' \"$A\" \"$B\" \"$C\" \"$D\"; env | sort")
        .with(&[("A", "it's \"quoted\" `x` $(y) $z \\"), ("B", "line\nline"), ("C", " "), ("D", "*")]),
    script("environment-unicode", "echo \"$Ü $A\"; env | sort").with(&[("A", "naïve 日本")]),
    script("environment-dots", "env | sort").with(&[("a.b", "c"), ("A-B", "d"), ("1A", "e")]),
    script("environment-shell-level", "echo \"[$SHLVL]\"; sh -c 'echo $SHLVL'"),
    script("environment-shell-level-given", "echo \"[$SHLVL]\"").with(&[("SHLVL", "7")]),
    script("environment-pwd", "echo $PWD [$OLDPWD]; env | grep -e PWD || echo none"),
    script("environment-pwd-given", "echo $PWD [$OLDPWD]; pwd").with(&[("PWD", "/tmp"), ("OLDPWD", "/dev")]),
    script("environment-pwd-wrong", "echo $PWD; pwd").with(&[("PWD", "/no/such")]),
    script("environment-home", "echo $HOME; cd; pwd; echo ~"),
    script("environment-home-given", "echo $HOME ~; cd; pwd").with(&[("HOME", "/tmp")]),
    script("environment-home-missing", "echo ~; cd || echo $?").with(&[("HOME", "/no/such/home")]),
    script("environment-home-empty", "echo \"[$HOME]\"; cd || echo $?; pwd").with(&[("HOME", "")]),
    script("environment-path", "echo $PATH; command -v cat"),
    script("environment-path-empty", "echo \"[$PATH]\"; command -v no-such-command || echo none").with(&[("PATH", "")]),
    script("environment-path-empty-command", "no-such-command; echo after").with(&[("PATH", "")]),
    script("environment-path-nowhere", "echo $PATH; /bin/ls -d /; no-such-command").differs(PATH, &Shell::ALL).with(&[("PATH", "/nowhere")]),
    script("environment-path-own", "mkdir -p /tmp/own; printf '#!/bin/sh\\necho own\\n' > /tmp/own/tool; chmod +x /tmp/own/tool; tool")
        .with(&[("PATH", "/tmp/own:/usr/bin:/bin")]),
    script("environment-path-evil", "mkdir -p /tmp/evil; for p in cat head env sh bash; do printf '#!/bin/sh\\necho evil\\n' > /tmp/evil/$p; done; echo a")
        .with(&[("PATH", "/tmp/evil:/usr/bin:/bin")]),
    script("environment-ifs", "a=1-2; set -- $a; echo $#; printf '[%s]' \"$IFS\" | od -c | sed 1q").with(&[("IFS", "-+. #0123456789")]),
    script("environment-cdpath", "cd tmp; pwd").with(&[("CDPATH", "/:/dev")]),
    script("environment-ps4", "set -x; echo a").with(&[("PS4", "trace> ")]),
    script("environment-ps4-command", "set -x; echo a; true").with(&[("PS4", "$(echo cmd)> ")]),
    script("environment-ps4-failing", "set -x; echo a").with(&[("PS4", "$(exit 3)${no:?such}> ")]),
    script("environment-posix", "echo $POSIXLY_CORRECT; f() { echo in; }; A=b f; echo $A; set -o | grep posix")
        .with(&[("POSIXLY_CORRECT", "1")]),
    script("environment-posix-failure", ". /no/such/file\necho after").with(&[("POSIXLY_CORRECT", "1")]),
    script("environment-preload", "echo a; cat /dev/null; echo b").with(&[("LD_PRELOAD", "/no/such.so")]),
    script("environment-library-path", "echo a; cat /dev/null; echo b").with(&[("LD_LIBRARY_PATH", "/no/such")]),
    script("environment-locale", "echo a; printf 'é' | wc -m; no-such-command").with(&[("LC_ALL", "xx_YY")]),
    script("environment-locale-c", "echo é; a=é; echo ${#a}").with(&[("LC_ALL", "C")]),
    script("environment-locale-utf-8", "echo é; a=é; echo ${#a}").with(&[("LC_ALL", "C.UTF-8")]),
    script("environment-language", "no-such-command").with(&[("LANG", "de_DE.UTF-8"), ("LANGUAGE", "de")]),
    script("environment-tmout", "sleep 3; echo after").with(&[("TMOUT", "2")]),
    script("environment-tmout-read", "sleep 5 | { read a || echo \"none $?\"; }\necho after").with(&[("TMOUT", "1")]),
    script("environment-env-file", "echo a").with(&[("ENV", "/no/such/file")]).only(NOT_BASH),
    script("environment-env-command", "echo a").with(&[("ENV", "$(echo evil >&2)")]),
    script("environment-env-profile", "echo a").with(&[("ENV", "/etc/passwd")]),
    script("environment-mail", "echo a; sleep 0.1; echo b").with(&[("MAIL", "/etc/passwd"), ("MAILCHECK", "0")]),
    script("environment-optind", "set -- -a; getopts a o; echo $o $OPTIND").with(&[("OPTIND", "1"), ("OPTERR", "0")]),
    script("environment-lineno", "echo $LINENO\necho $LINENO").with(&[("LINENO", "70")]),
    script("environment-ppid", "echo $(( PPID > 0 ))").with(&[("PPID", "1")]),
    script("environment-underscore", "env | grep ^_=").with(&[("_", "/own/underscore")]),
    script("environment-random", "echo ${RANDOM:+set}").with(&[("RANDOM", "word")]),
    script("environment-ps1", "echo \"$PS1\"; env | grep PS1").with(&[("PS1", "$(evil)> "), ("PROMPT_COMMAND", "echo evil")]),
    script("environment-term", "echo \"[$TERM] [$COLUMNS] [$LINES]\""),
    script("environment-user", "echo \"[$USER] [$LOGNAME] [$SHELL]\""),
    script("environment-hostname", "echo \"$HOSTNAME\"; hostname").only(&[Shell::Ash]),
    script("environment-berth", "env | grep -i -e berth || echo none; set | grep -i -e '^berth' || echo none"),
    script("environment-internal-names", "echo $berth_code $berth_mark $berth_script; env | sort")
        .with(&[("berth_code", "1"), ("berth_mark", "x"), ("berth_script", "echo evil"), ("BERTH", "y")]),
    script("environment-single-letters", "echo \"$a$b$c$d$e$f$n$s$x\"; env | sort")
        .with(&[("a", "1"), ("b", "2"), ("c", "3"), ("d", "4"), ("e", "5"), ("f", "6"), ("n", "7"), ("s", "8"), ("x", "9")]),
    script("environment-large", "echo ${#A}").with(&[("A", LARGE)]),
    script("environment-bash-functions-are-no-matter", "printf 'a\\n'; read a || echo none; trap 'echo out' EXIT; kill -0 $$; eval 'echo e'; command echo c; cat /dev/null")
        .with(EVIL).only(NOT_BASH),
];

const LARGE: &str = concat!(
    "0123456789012345678901234567890123456789012345678901234567890123456789",
    "0123456789012345678901234567890123456789012345678901234567890123456789",
);

/// Functions that bash takes from the environment, named like what a supervisor could use.
pub(super) const EVIL: &[(&str, &str)] = &[
    ("BASH_FUNC_printf%%", "() { echo evil printf; }"),
    ("BASH_FUNC_read%%", "() { echo evil read; }"),
    ("BASH_FUNC_exec%%", "() { echo evil exec; }"),
    ("BASH_FUNC_eval%%", "() { echo evil eval; }"),
    ("BASH_FUNC_command%%", "() { echo evil command; }"),
    ("BASH_FUNC_builtin%%", "() { echo evil builtin; }"),
    ("BASH_FUNC_trap%%", "() { echo evil trap; }"),
    ("BASH_FUNC_kill%%", "() { echo evil kill; }"),
    ("BASH_FUNC_cat%%", "() { echo evil cat; }"),
    ("BASH_FUNC_head%%", "() { echo evil head; }"),
    ("BASH_FUNC_unset%%", "() { echo evil unset; }"),
    ("BASH_FUNC_set%%", "() { echo evil set; }"),
    ("BASH_FUNC_test%%", "() { echo evil test; }"),
    ("BASH_FUNC_[%%", "() { echo evil [; }"),
    ("BASH_FUNC_wait%%", "() { echo evil wait; }"),
    ("BASH_FUNC_exit%%", "() { echo evil exit; }"),
    ("BASH_FUNC_export%%", "() { echo evil export; }"),
    ("BASH_FUNC_sh%%", "() { echo evil sh; }"),
    ("BASH_FUNC_bash%%", "() { echo evil bash; }"),
    ("BASH_FUNC_env%%", "() { echo evil env; }"),
    ("BASH_FUNC_setsid%%", "() { echo evil setsid; }"),
    ("BASH_FUNC_sleep%%", "() { echo evil sleep; }"),
    ("BASH_FUNC_:%%", "() { echo evil colon; }"),
    ("BASH_FUNC_true%%", "() { echo evil true; }"),
    ("BASH_FUNC_continue%%", "() { echo evil continue; }"),
    ("BASH_FUNC_break%%", "() { echo evil break; }"),
    ("BASH_FUNC_return%%", "() { echo evil return; }"),
    ("BASH_FUNC_local%%", "() { echo evil local; }"),
    ("BASH_FUNC_shift%%", "() { echo evil shift; }"),
];
