import NIOCore
import RegistryModel

/// A request to a host outside of the mesh, passed on as it is: no retries, no balancing, no certificate of ours.
struct EgressCall: PassageTerms {
    let data: DataPlane
    let host: String
    let trace: TraceContext
    let span: SpanID?

    /// Until the response's head.
    var timeout: TimeAmount { data.settings.mesh.timeout ?? CallRules.builtIn.timeout }

    var direction: AccessRecord.Direction { .outbound }
    var from: String { data.settings.caller }
    var to: String { host }
    var isMutualTLS: Bool { false }

    /// Others than services get no trace that nobody keeps.
    var traceField: TraceParent? { span.flatMap { trace.field(span: $0) } }

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
