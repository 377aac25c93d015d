//! What kwok does with the nodes and pods that do not exist, and the nodes themselves.
//!
//! kwok watches nodes with our label, renews their leases, and plays the first stage that matches an object. A node that
//! loses the label is no longer watched: its lease ends as that of a machine without power, and everything that follows is
//! Kubernetes' own doing. Annotations of a pod (or of the template it is made from) choose how it behaves.

use k8s_openapi::api::core::v1::{Node, NodeAddress, NodeSpec, NodeStatus, NodeSystemInfo, Taint};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::api::ObjectMeta;
use std::collections::BTreeMap;

/// Annotation of a pod that does not start: its containers end at once with this exit code, and the pod is Failed.
pub const FAIL: &str = "e2e.helios.trading/fail";
/// Annotation of a pod that takes this long to become ready, as in `2s`.
pub const START_AFTER: &str = "e2e.helios.trading/start-after";
/// Annotation of a pod that takes this long to end once it is deleted, as in `2s`.
pub const STOP_AFTER: &str = "e2e.helios.trading/stop-after";
/// Annotation of a node whose kubelet says that it is not ready, and why.
pub(crate) const UNREADY: &str = "e2e.helios.trading/unready";
/// Annotation of a pod that was on a node when the node came back.
pub(crate) const SEEN: &str = "e2e.helios.trading/seen";
/// Taint of a node that pods are put on by name only, or by tolerating it.
pub const RESERVED: &str = "e2e.helios.trading/reserved";
/// The nodes that kwok plays.
pub(crate) const SELECTOR: &str = "type=kwok";

/// kwok's configuration. Conditions and times are templates of Go's; `Quote` and the like are kwok's functions.
pub(crate) const STAGES: &str = r#"
apiVersion: config.kwok.x-k8s.io/v1alpha1
kind: KwokConfiguration
options:
  podPlayStageParallelism: 32
  nodePlayStageParallelism: 8
  nodeLeaseParallelism: 8
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: node-ready}
spec:
  resourceRef: {apiGroup: v1, kind: Node}
  selector:
    matchExpressions:
    - {key: '.metadata.annotations["e2e.helios.trading/unready"]', operator: DoesNotExist}
    - {key: '.status.conditions.[] | select( .type == "Ready" ) | .status', operator: NotIn, values: ["True"]}
  next:
    statusTemplate: |
      phase: Running
      conditions:
      {{ range $type, $status := dict "Ready" "True" "MemoryPressure" "False" "DiskPressure" "False" "PIDPressure" "False" "NetworkUnavailable" "False" }}
      - type: {{ $type }}
        status: {{ $status | Quote }}
        reason: Fake
        message: played by kwok
        lastHeartbeatTime: {{ Now | Quote }}
        lastTransitionTime: {{ Now | Quote }}
      {{ end }}
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: node-unready}
spec:
  resourceRef: {apiGroup: v1, kind: Node}
  selector:
    matchExpressions:
    - {key: '.metadata.annotations["e2e.helios.trading/unready"]', operator: Exists}
    - {key: '.status.conditions.[] | select( .type == "Ready" ) | .status', operator: NotIn, values: ["False"]}
  next:
    statusTemplate: |
      conditions:
      - type: Ready
        status: "False"
        reason: KubeletNotReady
        message: {{ index .metadata.annotations "e2e.helios.trading/unready" | Quote }}
        lastHeartbeatTime: {{ Now | Quote }}
        lastTransitionTime: {{ Now | Quote }}
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: pod-ready}
spec:
  resourceRef: {apiGroup: v1, kind: Pod}
  selector:
    matchExpressions:
    - {key: '.metadata.deletionTimestamp', operator: DoesNotExist}
    - {key: '.metadata.annotations["e2e.helios.trading/fail"]', operator: DoesNotExist}
    - {key: '.status.phase', operator: In, values: [Pending]}
  delay:
    durationMilliseconds: 0
    durationFrom: {expressionFrom: '.metadata.annotations["e2e.helios.trading/start-after"]'}
  next:
    statusTemplate: |
      {{ $now := Now }}
      phase: Running
      startTime: {{ $now | Quote }}
      hostIP: {{ NodeIPWith .spec.nodeName | Quote }}
      podIP: {{ PodIPWith .spec.nodeName ( or .spec.hostNetwork false ) ( or .metadata.uid "" ) ( or .metadata.name "" ) ( or .metadata.namespace "" ) | Quote }}
      conditions:
      {{ range $type := list "Initialized" "PodReadyToStartContainers" "ContainersReady" "Ready" }}
      - {type: {{ $type }}, status: "True", lastTransitionTime: {{ $now | Quote }}}
      {{ end }}
      initContainerStatuses:
      {{ range .spec.initContainers }}
      - name: {{ .name | Quote }}
        image: {{ .image | Quote }}
        imageID: ""
        restartCount: 0
        ready: true
        state: {terminated: {exitCode: 0, reason: Completed, startedAt: {{ $now | Quote }}, finishedAt: {{ $now | Quote }}}}
      {{ end }}
      containerStatuses:
      {{ range .spec.containers }}
      - name: {{ .name | Quote }}
        image: {{ .image | Quote }}
        imageID: ""
        restartCount: 0
        ready: true
        started: true
        state: {running: {startedAt: {{ $now | Quote }}}}
      {{ end }}
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: pod-failed}
spec:
  resourceRef: {apiGroup: v1, kind: Pod}
  selector:
    matchExpressions:
    - {key: '.metadata.deletionTimestamp', operator: DoesNotExist}
    - {key: '.metadata.annotations["e2e.helios.trading/fail"]', operator: Exists}
    - {key: '.status.phase', operator: In, values: [Pending, Running]}
  next:
    statusTemplate: |
      {{ $now := Now }}
      {{ $code := index .metadata.annotations "e2e.helios.trading/fail" }}
      phase: Failed
      conditions:
      {{ range $type := list "ContainersReady" "Ready" }}
      - {type: {{ $type }}, status: "False", reason: PodFailed, lastTransitionTime: {{ $now | Quote }}}
      {{ end }}
      containerStatuses:
      {{ range .spec.containers }}
      - name: {{ .name | Quote }}
        image: {{ .image | Quote }}
        imageID: ""
        restartCount: 0
        ready: false
        started: false
        state: {terminated: {exitCode: {{ $code }}, reason: Error, startedAt: {{ $now | Quote }}, finishedAt: {{ $now | Quote }}}}
      {{ end }}
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: pod-done}
spec:
  resourceRef: {apiGroup: v1, kind: Pod}
  selector:
    matchExpressions:
    - {key: '.metadata.deletionTimestamp', operator: DoesNotExist}
    - {key: '.metadata.ownerReferences.[].kind', operator: In, values: [Job]}
    - {key: '.status.phase', operator: In, values: [Running]}
  next:
    statusTemplate: |
      {{ $now := Now }}
      phase: Succeeded
      conditions:
      {{ range $type := list "ContainersReady" "Ready" }}
      - {type: {{ $type }}, status: "False", reason: PodCompleted, lastTransitionTime: {{ $now | Quote }}}
      {{ end }}
      containerStatuses:
      {{ range .spec.containers }}
      - name: {{ .name | Quote }}
        image: {{ .image | Quote }}
        imageID: ""
        restartCount: 0
        ready: false
        started: false
        state: {terminated: {exitCode: 0, reason: Completed, startedAt: {{ $now | Quote }}, finishedAt: {{ $now | Quote }}}}
      {{ end }}
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: pod-gone}
spec:
  resourceRef: {apiGroup: v1, kind: Pod}
  selector:
    matchExpressions:
    - {key: '.metadata.deletionTimestamp', operator: Exists}
  delay:
    durationMilliseconds: 0
    durationFrom: {expressionFrom: '.metadata.annotations["e2e.helios.trading/stop-after"]'}
  next:
    delete: true
"#;

/// A node that kwok plays, as a kubelet would register it.
pub(crate) fn node(name: &str, taint: Option<&str>) -> Node {
    let taints = taint.map(|key| {
        vec![Taint {
            key: key.to_owned(),
            effect: "NoSchedule".to_owned(),
            ..Default::default()
        }]
    });
    let of = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        let owned = pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        owned.collect()
    };
    let room: BTreeMap<String, Quantity> =
        of(&[("cpu", "64"), ("memory", "256Gi"), ("pods", "10000")])
            .into_iter()
            .map(|(k, v)| (k, Quantity(v)))
            .collect();
    let address = |type_: &str, address: &str| NodeAddress {
        type_: type_.to_owned(),
        address: address.to_owned(),
    };
    Node {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some(of(&[
                ("type", "kwok"),
                ("kubernetes.io/arch", "amd64"),
                ("kubernetes.io/hostname", name),
                ("kubernetes.io/os", "linux"),
            ])),
            ..Default::default()
        },
        spec: Some(NodeSpec {
            taints,
            ..Default::default()
        }),
        status: Some(NodeStatus {
            allocatable: Some(room.clone()),
            capacity: Some(room),
            addresses: Some(vec![
                address("InternalIP", "127.0.0.1"),
                address("Hostname", name),
            ]),
            node_info: Some(NodeSystemInfo {
                architecture: "amd64".to_owned(),
                operating_system: "linux".to_owned(),
                kubelet_version: "fake".to_owned(),
                container_runtime_version: "fake".to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        }),
    }
}
