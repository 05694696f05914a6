import Identity
import NIOCore
import RegistryClient
import RegistryModel

/// What an operator may ask a sidecar from afar: `hms-admin/1`, a protocol of the inbound door (ALPN), HTTP/1.1 inside.
///
/// Who it is the handshake has proved; whether he is an operator only the registry knows, which is asked each time and puts
/// on record that he looked. Without the registry nobody may.
struct RemoteAdmin: Sendable {
    /// As ALPN names it.
    static let protocolName = "hms-admin/1"
    /// What is answered there; all else is for the socket on this machine.
    static let paths: Set<String> = ["/tail", "/metrics", "/figures"]

    let answers: AdminListener.Answers
    let registry: RegistryAccess
    let instance: InstanceKey

    /// The answers for one peer.
    ///
    /// - Throws: why it is none who may ask at all.
    func answers(for peer: Peer) throws(Refused) -> AdminListener.Answers {
        guard case .user = peer.id.subject else {
            throw Refused(status: 403, message: "\(Self.protocolName) is for operators: \(peer.id) is a service")
        }
        let observer = ObserverReport(instance: instance, serial: peer.leaf.serial)
        var answers = answers
        answers.admit = { [registry] (target) throws(Refused) in
            var observer = observer
            observer.target = target
            try await Self.admit(observer, registry)
        }
        return answers
    }

    private static func admit(_ observer: ObserverReport, _ registry: RegistryAccess) async throws(Refused) {
        do {
            _ = try await registry.withConnection { try await $0.report(observer) }
        } catch {
            guard let error = error as? RegistryClientError, error.isRefusal else {
                throw Refused(
                    status: 503,
                    message: "the registry can't be asked who may look on here, so nobody may: \(error)"
                )
            }
            throw Refused(status: 403, message: error.message)
        }
    }

    /// Why a question gets no answer.
    struct Refused: Error {
        let status: Int
        let message: String
    }
}
