//! The notes on a plan.

use super::{demand::VolumeDemand, model::PlannedVolume, note::PlanNote};

/// Returns what a person should know of these volumes.
pub(super) fn notes(volumes: &[PlannedVolume], demand: &VolumeDemand) -> Vec<PlanNote> {
    let mut notes = Vec::new();
    for destination in volumes.iter().map(|volume| &volume.destination) {
        for image_volume in &demand.image_volumes {
            if image_volume == destination {
                notes.push(PlanNote::ReplacesImageVolume { destination: destination.clone() });
            } else if destination.is_ancestor_of(image_volume)
                && !volumes.iter().any(|volume| volume.destination == *image_volume)
            {
                notes.push(PlanNote::ImageVolumeInside {
                    destination: destination.clone(),
                    image_volume: image_volume.clone(),
                });
            }
        }
        for tmpfs in demand.tmpfs.iter().filter(|tmpfs| destination.is_ancestor_of(tmpfs)) {
            notes.push(PlanNote::TmpfsInside {
                destination: destination.clone(),
                tmpfs: tmpfs.clone(),
            });
        }
    }
    notes
}
