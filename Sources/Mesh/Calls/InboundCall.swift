import Identity
import NIOCore
import RegistryModel

/// One call from another sidecar to the application beside this one: checked, stripped of what nobody may claim, given the
/// caller's proven name.
struct InboundCall: PassageTerms {
    let plane: InboundPlane
    let caller: Peer?
    let trace: TraceContext
    let span: SpanID?
    /// The caller's, as its sidecar passed it on.
    let timeout: TimeAmount

    var data: DataPlane { plane.data }
    var direction: AccessRecord.Direction { .inbound }
    var from: String { caller?.id.shortName ?? "-" }
    var to: String { plane.service.description }
    var isMutualTLS: Bool { caller != nil }

    func added(remaining: TimeAmount) -> AddedFields {
        var added = AddedFields()
        if let caller { added.add("x-hms-caller", caller.name) }
        added.add("x-hms-timeout-ms", remaining.timeoutField)
        return added
    }

    func notConnected(_ failure: ExchangeFailure) -> MeshError {
        let place = plane.application.destination
        return MeshError(
            .appRefused,
            "\(plane.service) does not listen on \(place.host):\(place.port): \(failure.message)",
            hint: "is the application running? hms-mesh doctor"
        )
    }

    func failed(_ failure: ExchangeFailure) -> MeshError {
        guard failure.delivery == .unknown else {
            return MeshError(
                .appRefused,
                "\(plane.service): \(failure.message)",
                hint: "it says so itself: it is stopping, or has more streams than it takes"
            )
        }
        return MeshError(
            failure.kind == .malformed ? .wrongProtocol : .appReset,
            "\(plane.service): \(failure.message)",
            hint: failure.kind == .malformed ? "service.protocol says what the application speaks" : nil
        )
    }

    func timedOut(delivered: Delivery) -> MeshError {
        MeshError(
            .deadline,
            "\(plane.service) did not answer within the caller's \(timeout.milliseconds) ms",
            delivered: delivered,
            hop: .inbound
        )
    }

    func ended(status: Int, _ error: MeshErrorCode?, took: TimeAmount) {
        plane.inFlight -= 1
        data.metrics.recordInbound(status: status, error: error, took: took)
    }
}

/// What the inbound side of one event loop needs.
final class InboundPlane {
    static let mostInFlight = 1_024

    let data: DataPlane
    let service: ServiceName
    let application: ConnectionPool
    let applicationSpeaksHTTP2: Bool
    fileprivate(set) var inFlight = 0
    /// Nothing new is taken; what is under way ends.
    var isDraining = false

    init(data: DataPlane, service: ServiceName, applicationPort: Int, speaksHTTP2: Bool) {
        self.data = data
        self.service = service
        applicationSpeaksHTTP2 = speaksHTTP2
        application = data.pool(for: .app(host: "127.0.0.1", port: applicationPort, http2: speaksHTTP2))
    }

    /// Takes a request of a caller who may be here.
    func begin(_ head: RequestHead, from caller: Peer?, writer: any ResponseWriter) -> (any RequestSink)? {
        if isDraining {
            MeshError(.draining, "\(service) is stopping: ask another instance").write(to: writer, isGRPC: head.isGRPC)
            return nil
        }
        guard !head.isConnect else {
            MeshError(.badRequest, "CONNECT is not for sidecars").write(to: writer)
            return nil
        }
        let (trace, span) = data.trace(head)
        let terms = InboundCall(
            plane: self,
            caller: caller,
            trace: trace,
            span: span,
            timeout: head.ownTimeout ?? data.settings.idleTimeout
        )
        let call = Passage(
            terms,
            over: application,
            head: head,
            target: RequestTarget(path: head.target),
            writer: writer,
            timeout: terms.timeout,
            now: .now()
        )
        inFlight += 1
        if inFlight > Self.mostInFlight {
            call.answer(MeshError(.overloaded, "\(service) has \(Self.mostInFlight) requests under way here"))
        } else {
            call.start(
                http2: applicationSpeaksHTTP2,
                freshness: head.isRepeatable ? nil : ConnectionPool.surelyOpen
            )
        }
        return call
    }
}

extension SPIFFEID {
    var shortName: String { subject.shortName }
}

extension SPIFFEID.Subject {
    /// `photo-validator`, `user/ada`
    var shortName: String {
        switch self {
        case .service(let name): name.description
        case .user(let login): "user/\(login)"
        }
    }
}
