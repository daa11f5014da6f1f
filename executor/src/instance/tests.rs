use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn folder() -> (tempfile::TempDir, Instances) {
    let folder = tempfile::tempdir().unwrap();
    let instances = Instances::open(&folder.path().join("state")).unwrap();
    (folder, instances)
}

#[test]
fn a_state_folder_that_others_decide_over_is_refused() {
    for (owner, mode, ours) in [
        (1000, 0o700, true),
        (1000, 0o775, true),
        (0, 0o1777, true),
        (1000, 0o777, false),
        (1001, 0o700, false),
    ] {
        assert_eq!(is_ours(owner, mode, 1000), ours, "{owner} {mode:o}");
    }
    let folder = tempfile::tempdir().unwrap();
    let open = fs::Permissions::from_mode(0o777);
    fs::set_permissions(folder.path(), open).unwrap();
    let error = Instances::open(folder.path()).unwrap_err();
    assert!(matches!(error, InstanceError::Foreign { .. }), "{error:?}");
    assert!(error.hint().contains("chmod o-w"));
}

#[test]
fn the_first_directory_that_can_be_used_is_taken() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let good = directory.path().join("good");
    let instances = Instances::open_first([file.join("state"), good.clone()]).unwrap();
    assert_eq!(instances.locks, good.join(LOCKS));
    let error = Instances::open_first([good.join("host"), file.clone()]).unwrap_err();
    assert!(matches!(error, InstanceError::Unusable { .. }), "{error:?}");
}

#[test]
fn a_pipe_in_the_place_of_a_lock_or_of_the_token_holds_nobody_up() {
    let (folder, instances) = folder();
    let pipe = |path: &Path| {
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, path, kind, mode, 0).unwrap();
    };
    let nonce = "1".repeat(DIGITS);
    pipe(&instances.lock(&nonce));
    let label = format!("{}.{nonce}", instances.token);
    assert_eq!(instances.life(&label), Life::Unknown);
    assert_eq!(instances.dead().unwrap(), [""; 0]);
    let token = folder.path().join("state").join(TOKEN);
    fs::remove_file(&token).unwrap();
    pipe(&token);
    let error = Instances::open(&folder.path().join("state")).unwrap_err();
    assert!(matches!(error, InstanceError::Unusable { .. }), "{error:?}");
}

#[test]
fn who_holds_its_lock_lives_and_who_let_go_is_dead() {
    let (_folder, instances) = folder();
    let instance = instances.claim().unwrap();
    let label = instance.label().to_owned();
    assert_eq!(instances.life(&label), Life::Lives);
    assert_eq!(instances.dead().unwrap(), [""; 0]);
    // As at the end of a process.
    drop(instance);
    assert_eq!(instances.life(&label), Life::Dead);
    assert_eq!(instances.dead().unwrap(), std::slice::from_ref(&label));
    instances.forget(&label);
    assert_eq!(instances.dead().unwrap(), [""; 0]);
    assert_eq!(instances.life(&label), Life::Dead);
}

#[test]
fn a_clean_end_leaves_no_cue_and_an_unclean_one_does() {
    let (_folder, instances) = folder();
    instances.claim().unwrap().release(false);
    assert_eq!(instances.dead().unwrap(), [""; 0]);
    let instance = instances.claim().unwrap();
    let label = instance.label().to_owned();
    instance.release(true);
    assert_eq!(instances.dead().unwrap(), [label]);
}

#[test]
fn who_lives_is_not_forgotten() {
    let (_folder, instances) = folder();
    let instance = instances.claim().unwrap();
    instances.forget(instance.label());
    assert_eq!(instances.life(instance.label()), Life::Lives);
}

#[test]
fn of_another_folder_and_of_other_forms_nothing_is_known() {
    let (_one, instances) = folder();
    let (_other, others) = folder();
    let instance = others.claim().unwrap();
    assert_eq!(instances.life(instance.label()), Life::Unknown);
    let token = &instances.token;
    let long = format!("{token}.{}", "a".repeat(33));
    let climbs = format!("{token}.../../../../../../../../etc/passwd");
    for label in ["", "pid-7", token, &format!("{token}."), &long, &climbs] {
        assert_eq!(instances.life(label), Life::Unknown, "{label:?}");
    }
}

#[test]
fn who_died_on_another_engine_is_no_cue_for_this_one() {
    let (_folder, instances) = folder();
    let (one, other) =
        (instances.clone().with_engine("unix:///one"), instances.clone().with_engine("other"));
    let label = one.claim().unwrap().label().to_owned();
    assert_eq!(one.dead().unwrap(), std::slice::from_ref(&label));
    assert_eq!(other.dead().unwrap(), [""; 0]);
    assert_eq!(other.life(&label), Life::Dead, "all the same it is dead");
    // Who does not say which engine, asks for all.
    assert_eq!(instances.dead().unwrap(), [label]);
}

#[test]
fn what_is_no_lock_is_neither_a_cue_nor_removed() {
    let (_folder, instances) = folder();
    let nonce = "0".repeat(DIGITS);
    let names = ["notes.lock", &format!("{nonce}.txt"), &format!("{nonce}.new"), &nonce];
    for name in names {
        fs::write(instances.locks.join(name), "").unwrap();
    }
    assert_eq!(instances.dead().unwrap(), [""; 0]);
    assert!(names.iter().all(|name| instances.locks.join(name).exists()));
}

#[test]
fn a_file_that_its_process_never_came_to_lock_goes_after_an_hour() {
    let (_folder, instances) = folder();
    let path = instances.locks.join(format!("{}.{NEW}", "0".repeat(DIGITS)));
    let file = File::create(&path).unwrap();
    file.set_modified(SystemTime::now() - ABANDONED - Duration::from_mins(1)).unwrap();
    assert_eq!(instances.dead().unwrap(), [""; 0]);
    assert!(!path.exists());
}

#[test]
fn a_claim_that_fails_leaves_nothing() {
    let (_folder, instances) = folder();
    fs::remove_dir(&instances.locks).unwrap();
    let error = instances.claim().unwrap_err();
    assert!(matches!(error, InstanceError::Unusable { .. }), "{error:?}");
    assert!(!instances.locks.exists());
    let error = instances.dead().unwrap_err();
    assert!(matches!(error, InstanceError::Unusable { .. }), "{error:?}");
}

#[test]
fn those_that_look_at_once_do_not_take_each_other_for_the_owner() {
    let (_folder, instances) = folder();
    let dead = instances.claim().unwrap().label().to_owned();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..500 {
                    assert_eq!(instances.life(&dead), Life::Dead);
                }
            });
        }
    });
}

#[test]
fn a_lock_ends_though_another_copy_of_its_file_is_open() {
    let (_folder, instances) = folder();
    let instance = instances.claim().unwrap();
    let label = instance.label().to_owned();
    // What a program has between its being made and its beginning.
    let copy = instance.file.try_clone().unwrap();
    drop(instance);
    assert_eq!(instances.life(&label), Life::Dead);
    drop(copy);
}

#[test]
fn those_that_open_a_folder_at_once_agree() {
    let folder = tempfile::tempdir().unwrap();
    let tokens: Vec<_> = std::thread::scope(|scope| {
        let open = || Instances::open(folder.path()).unwrap().token;
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(tokens.iter().all(|token| *token == tokens[0]), "{tokens:?}");
}

#[test]
fn a_folder_that_is_none_and_a_token_that_is_none_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Instances::open(&file).unwrap_err();
    assert!(matches!(error, InstanceError::Unusable { .. }), "{error:?}");
    fs::write(folder.path().join(TOKEN), "not a token").unwrap();
    let error = Instances::open(folder.path()).unwrap_err();
    assert!(matches!(error, InstanceError::Malformed { .. }), "{error:?}");
}
