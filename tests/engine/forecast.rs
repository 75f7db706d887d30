//! What crm_simulate 2.1.5 printed, read.

use haoscar::engines::pacemaker::{Forecast, forecast};

const MOVED: &str = "\
Current cluster status:
  * Node List:
    * Online: [ arbiter head-1 head-2 ]

Transition Summary:
  * Fence (reboot) head-1 'peer is no longer part of the cluster'
  * Start      fence-arbiter                    (              head-2 )
  * Move       control-address-inside           (    head-1 -> head-2 )
  * Stop       control-time:1                   (              head-1 )  due to node availability

Executing Cluster Transition:
  * Resource action: nothing     stop on head-1
";

fn row(action: &str, resource: &str, from: Option<&str>, to: Option<&str>) -> Forecast {
    Forecast {
        action: action.to_owned(),
        resource: resource.to_owned(),
        from: from.map(str::to_owned),
        to: to.map(str::to_owned),
    }
}

#[test]
fn a_forecast_names_who_is_fenced_and_what_moves_where() {
    assert_eq!(
        forecast(MOVED),
        [
            row("Fence", "head-1", Some("head-1"), None),
            row("Start", "fence-arbiter", None, Some("head-2")),
            row("Move", "control-address-inside", Some("head-1"), Some("head-2")),
            row("Stop", "control-time", Some("head-1"), None),
        ]
    );
}

#[test]
fn an_empty_block_forecasts_nothing() {
    assert_eq!(forecast("Transition Summary:\n\nExecuting Cluster Transition:\n"), []);
    assert_eq!(forecast(""), []);
}
