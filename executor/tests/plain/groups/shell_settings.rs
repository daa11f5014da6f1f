//! Variables with which a user sets up bash.

use super::environment::EVIL;
use crate::script::{Script, script};

pub(crate) const SCRIPTS: &[Script] = &[
    script("settings-bash-env-missing", "echo a").bash().with(&[("BASH_ENV", "/no/such/file")]),
    script("settings-bash-env-text", "echo a").bash().with(&[("BASH_ENV", "/etc/group")]),
    script("settings-bash-env-command", "echo a").bash().with(&[("BASH_ENV", "$(echo evil >&2)")]),
    script("settings-bash-env-input", "echo a").bash().with(&[("BASH_ENV", "/dev/stdin")]),
    script("settings-bash-env-set-e", "echo a; bash -c 'false; echo b'; echo c")
        .bash()
        .with(&[("BASH_ENV", "$(echo set -e > /tmp/bash-env; echo /tmp/bash-env)")]),
    script("settings-bash-env-output", "echo a; false")
        .bash()
        .with(&[("BASH_ENV", "$(echo 'echo from file; echo error >&2' > /tmp/bash-env2; echo /tmp/bash-env2)")]),
    script("settings-bash-env-exit", "echo a")
        .bash()
        .with(&[("BASH_ENV", "$(echo exit 9 > /tmp/bash-env3; echo /tmp/bash-env3)")]),
    script("settings-bash-env-trap", "echo a; kill $$")
        .bash()
        .with(&[("BASH_ENV", "$(echo \"trap 'echo trapped' EXIT TERM\" > /tmp/bash-env4; echo /tmp/bash-env4)")]),
    script("settings-bash-env-reads", "echo a")
        .bash()
        .with(&[("BASH_ENV", "$(echo cat > /tmp/bash-env5; echo /tmp/bash-env5)")]),
    script("settings-bash-env-functions", "echo a; printf b; read c || :; exit 3")
        .bash()
        .with(&[("BASH_ENV", "$(echo 'printf() { echo evil; }; read() { echo evil; }; exec() { echo evil; }' > /tmp/bash-env6; echo /tmp/bash-env6)")]),
    script("settings-shellopts-errexit", "echo a; bash -c 'false; echo b'; echo c").bash().with(&[("SHELLOPTS", "errexit")]),
    script("settings-shellopts-xtrace", "echo a; sh -c 'echo b'").bash().with(&[("SHELLOPTS", "xtrace")]),
    script("settings-shellopts-nounset", "echo a; echo $nothing; echo b").bash().with(&[("SHELLOPTS", "nounset")]),
    script("settings-shellopts-verbose", "echo a\necho b").bash().with(&[("SHELLOPTS", "verbose")]),
    script("settings-shellopts-noglob", "echo /*").bash().with(&[("SHELLOPTS", "noglob")]),
    script("settings-shellopts-noexec", "echo a").bash().with(&[("SHELLOPTS", "noexec")]),
    script("settings-shellopts-posix", "echo a; set -o | grep posix").bash().with(&[("SHELLOPTS", "posix")]),
    script("settings-shellopts-many", "echo a; echo $SHELLOPTS; false; echo b")
        .bash()
        .with(&[("SHELLOPTS", "errexit:errtrace:functrace:nounset:pipefail:xtrace")]),
    script("settings-shellopts-monitor", "echo a; sleep 0.1 & wait; echo b").bash().with(&[("SHELLOPTS", "monitor")]),
    script("settings-shellopts-noclobber", "echo a > /tmp/settings-clobber; echo b > /tmp/settings-clobber; echo c")
        .bash()
        .with(&[("SHELLOPTS", "noclobber")]),
    script("settings-shellopts-allexport", "A=1; env | grep ^A=; env | sort").bash().with(&[("SHELLOPTS", "allexport")]),
    script("settings-shellopts-onecmd", "echo a\necho b").bash().with(&[("SHELLOPTS", "onecmd")]),
    script("settings-shellopts-keyword", "echo a B=1\necho b").bash().with(&[("SHELLOPTS", "keyword")]),
    script("settings-bashopts-failglob", "echo a; echo /no/such/*; echo b").bash().with(&[("BASHOPTS", "failglob")]),
    script("settings-bashopts-many", "shopt | grep -w on").bash().with(&[("BASHOPTS", "nullglob:extglob:lastpipe:nocasematch:inherit_errexit:xpg_echo:expand_aliases")]),
    script("settings-functions-none", "echo a; cat /dev/null; printf 'b\\n'; read c; kill -0 $$; exit 3").bash().with(EVIL),
    script("settings-functions-own", "own; own2 || echo $?").bash().with(&[("BASH_FUNC_own%%", "() { echo mine; }"), ("BASH_FUNC_own2%%", "() {  return 3\n}")]),
    script("settings-functions-broken", "echo a").bash().with(&[("BASH_FUNC_own%%", "() { echo mine; ")]),
    script("settings-functions-shock", "echo a").bash().with(&[("own", "() { :; }; echo evil"), ("BASH_FUNC_x%%", "() { :; }; echo evil")]),
    script("settings-xtrace-descriptor", "set -x; echo a").bash().with(&[("BASH_XTRACEFD", "2")]),
    script("settings-xtrace-descriptor-bad", "set -x; echo a").bash().with(&[("BASH_XTRACEFD", "8")]),
    script("settings-compat", "echo $BASH_COMPAT; echo a").bash().with(&[("BASH_COMPAT", "4.2")]),
    script("settings-globignore", "cd /dev/shm; touch a b; echo *").bash().with(&[("GLOBIGNORE", "a")]),
    script("settings-execignore", "cat /dev/null; echo a").bash().with(&[("EXECIGNORE", "*/cat")]),
    script("settings-execignore-all", "echo a; no-such-command || echo b").bash().with(&[("EXECIGNORE", "*")]),
    script("settings-child-max", "echo a; (exit 3) & wait $! || echo $?").bash().with(&[("CHILD_MAX", "1")]),
    script("settings-funcnest", "f() { g; }; g() { echo deep; }; f || echo $?; echo a").bash().with(&[("FUNCNEST", "1")]),
    script("settings-ignoreeof", "echo a; cat; echo b").bash().with(&[("IGNOREEOF", "10")]),
    script("settings-histfile", "echo a; set -o history; echo b; ls /tmp/settings-hist || echo none")
        .bash()
        .with(&[("HISTFILE", "/tmp/settings-hist"), ("HISTCONTROL", "ignoreboth")]),
    script("settings-bash-variables", "echo $BASH $BASH_VERSINFO $UID $EUID; echo a")
        .bash()
        .with(&[("BASH", "/own/bash"), ("UID", "9"), ("BASH_VERSINFO", "x")]),
    script("settings-loadables", "enable -f no-such a || echo $?").bash().with(&[("BASH_LOADABLES_PATH", "/tmp")]),
    script("settings-auto-resume", "echo a; false").bash().with(&[("auto_resume", "exact"), ("histchars", "!^#")]),
];
