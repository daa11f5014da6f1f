//! The logs that engines keep, and images in lists.

use crate::conformance::docker_api::prelude::*;

behaviours! {
    a_log_has_both_outputs_after_the_end(subject)
    sees [r#""out\n" "err\n" ended"#, "not found"]; {
        let id = subject.exited("job", Program::PrintsToBoth).await;
        let log = subject.engine.container_logs(&id, &LogOptions::default()).await.unwrap();
        let mut all = vec![read(log).await];
        subject.engine.remove_container(&id).await.unwrap();
        all.push(done(subject.engine.container_logs(&id, &LogOptions::default()).await.map(drop)));
        all
    }

    a_log_that_is_followed_ends_with_the_container(subject)
    sees [r#""ready\n" "" open"#, r#""ready\n" "" ended"#, r#""ready\n" "" ended"#]; {
        let id = subject.started("job", Program::SleepsThroughStop).await;
        let follow = LogOptions::default().following();
        let log = subject.engine.container_logs(&id, &follow).await.unwrap();
        let mut all = vec![read_open(log).await];
        let log = subject.engine.container_logs(&id, &follow).await.unwrap();
        subject.engine.kill_container(&id, Signal::Kill).await.unwrap();
        all.push(read(log).await);
        let after = subject.engine.container_logs(&id, &follow).await.unwrap();
        all.push(read(after).await);
        all
    }

    a_log_is_cut_by_lines_and_by_time(subject)
    sees ["1 lines", "0 lines", "2 lines", "0 lines"]; {
        let id = subject.exited("job", Program::PrintsToBoth).await;
        let past = SystemTime::now() - Duration::from_hours(24 * 365 * 20);
        let future = SystemTime::now() + Duration::from_hours(24 * 365);
        let mut all = Seen::new();
        for options in [
            LogOptions::default().with_tail(1),
            LogOptions::default().with_tail(0),
            LogOptions::default().with_since(past),
            LogOptions::default().with_since(future),
        ] {
            let log = subject.engine.container_logs(&id, &options).await.unwrap();
            let text = text_of(log).await;
            all.push(format!("{} lines", text.lines().count()));
        }
        all
    }

    a_line_of_a_log_begins_with_its_time_if_asked_for(subject)
    sees ["T Z out", "T Z err"]; {
        let id = subject.exited("job", Program::PrintsToBoth).await;
        let options = LogOptions::default().with_timestamps();
        let text = text_of(subject.engine.container_logs(&id, &options).await.unwrap()).await;
        let line = |word: &str| {
            let line = text.lines().find(|line| line.ends_with(word)).unwrap();
            let (time, rest) = line.split_once(' ').unwrap();
            assert!(time.starts_with("20") && time.len() == 30, "{line}");
            format!("{} {} {rest}", &time[10..11], &time[29..])
        };
        vec![line("out"), line("err")]
    }

    a_container_without_a_log_has_none_to_read(subject)
    sees ["engine error 5xx"]; {
        let mut request = subject.job("job", Program::Exits3);
        request.log_driver = Some(LogDriver::None);
        let id = subject.create(&request).await;
        vec![done(subject.engine.container_logs(&id, &LogOptions::default()).await.map(drop))]
    }

    an_image_is_listed_by_its_names_until_it_is_removed(subject)
    sees ["listed", "ok", "absent", "not found"]; {
        let name: ImageReference = subject.name("image").parse().unwrap();
        // A tar archive without an entry.
        subject.engine.import_image(&name, vec![0; 1024].into()).await.unwrap();
        let tag = format!("{name}:latest");
        let listed = || async {
            let images = subject.engine.list_images(&[]).await.unwrap();
            let found = images.iter().any(|image| image.tags.contains(&tag));
            if found { "listed" } else { "absent" }.to_owned()
        };
        let mut all = vec![listed().await, done(subject.engine.remove_image(&name).await)];
        all.push(listed().await);
        all.push(done(subject.engine.remove_image(&name).await));
        all
    }

    an_image_that_a_container_uses_is_not_removed(subject)
    sees ["conflict", "conflict", "ok"]; {
        let name: ImageReference = subject.name("image").parse().unwrap();
        subject.engine.import_image(&name, vec![0; 1024].into()).await.unwrap();
        let mut request = subject.job("job", Program::Exits3);
        request.image = name.clone();
        let container = subject.create(&request).await;
        let id = subject.engine.inspect_image(&name).await.unwrap().id.parse().unwrap();
        let mut all = vec![done(subject.engine.remove_image(&id).await)];
        all.push(done(subject.engine.remove_image(&name).await));
        subject.engine.remove_container(&container).await.unwrap();
        all.push(done(subject.engine.remove_image(&id).await));
        all
    }
}

async fn text_of(mut log: LogStream) -> String {
    let mut text = Vec::new();
    while let Some(chunk) = timeout(LONG, log.next()).await.unwrap() {
        text.extend_from_slice(&chunk.unwrap().bytes);
    }
    String::from_utf8(text).unwrap()
}
