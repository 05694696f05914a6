import NIOCore
import RegistryModel

/// A request to a host outside of the mesh, passed on as it is: no retries, no balancing, no certificate of ours.
struct EgressCall: PassageTerms {
    let data: DataPlane
    let host: String
    /// The caller's own `traceparent`.
    let trace: String

    /// Until the response's head.
    var timeout: TimeAmount { data.settings.mesh.timeout ?? CallRules.builtIn.timeout }

    var direction: AccessRecord.Direction { .outbound }
    var from: String { data.settings.caller }
    var to: String { host }
    var isMutualTLS: Bool { false }

    func added(remaining: TimeAmount) -> AddedFields {
        AddedFields()
    }

    func notConnected(_ failure: ExchangeFailure) -> MeshError {
        MeshError(.connectFailed, "\(host): \(failure.message)")
    }

    func failed(_ failure: ExchangeFailure) -> MeshError {
        MeshError(.appReset, "\(host): \(failure.message)")
    }

    func timedOut(delivered: Delivery) -> MeshError {
        MeshError(.timeout, "\(host) did not answer within \(timeout.milliseconds) ms")
    }

    func ended(status: Int, _ error: MeshErrorCode?, took: TimeAmount) {}
}
