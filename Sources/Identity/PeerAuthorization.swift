import Foundation
public import RegistryModel
public import X509

/// Whether a peer may go on, decided once the handshake is over and before a byte of HTTP is read: the chain is verified
/// by then, but a resumed session skips even that, so nothing here rests on the handshake.
public enum PeerAuthorization {
    /// Why not. The description is the mesh's error code, which the peer is told.
    public struct Refusal: Error, Sendable, Equatable, CustomStringConvertible {
        public struct Code: Hashable, Sendable, CustomStringConvertible {
            public let description: String

            public static let certificateExpired = Code(description: "certificate-expired")
            /// Not valid yet: one of the two clocks is wrong.
            public static let clockSkew = Code(description: "clock-skew")
            /// A certificate of another kind, domain or service than is due.
            public static let wrongPeer = Code(description: "wrong-peer")
            public static let callerRevoked = Code(description: "caller-revoked")
            public static let callerNotAllowed = Code(description: "caller-not-allowed")
        }

        public let code: Code
        public let message: String

        public init(code: Code, message: String) {
            self.code = code
            self.message = message
        }

        public var description: String {
            "\(code): \(message)"
        }

        public static func == (lhs: Refusal, rhs: Refusal) -> Bool {
            lhs.code == rhs.code
        }
    }

    /// Who may call: everybody of the trust domain, or those named.
    public enum AllowList: Sendable, Equatable {
        case anyone
        /// `users`: people too.
        case only(services: Set<ServiceName>, users: Bool)

        func contains(_ subject: SPIFFEID.Subject) -> Bool {
            switch (self, subject) {
            case (.anyone, _): true
            case (.only(let services, _), .service(let name)): services.contains(name)
            case (.only(_, let users), .user): users
            }
        }
    }

    /// - Parameters:
    ///   - leaf: the peer's own certificate.
    ///   - meant: who must be at the other end, for a caller; nil for whoever is called.
    /// - Returns: who the peer is.
    public static func authorize(
        _ leaf: Certificate,
        now: Timestamp,
        trustDomain: TrustDomain,
        meant: SPIFFEID? = nil,
        denyList: DenyList = DenyList(),
        allow: AllowList = .anyone
    ) throws(Refusal) -> SPIFFEID {
        try checkDates(leaf, now)
        guard !leaf.isAuthority else {
            throw Refusal(code: .wrongPeer, message: "its certificate is an authority's, not a workload's")
        }
        let id: SPIFFEID
        do {
            id = try SPIFFEID(certificate: leaf)
        } catch {
            throw Refusal(code: .wrongPeer, message: error.message)
        }
        guard id.trustDomain == trustDomain else {
            throw Refusal(code: .wrongPeer, message: "\(id) is not of the trust domain \(trustDomain)")
        }
        if let meant, meant != id {
            throw Refusal(code: .wrongPeer, message: "\(id) answered where \(meant) was meant")
        }
        guard !denyList.denies(id, serial: leaf.serial, issuedAt: leaf.issuedAt) else {
            throw Refusal(code: .callerRevoked, message: "the certificate of \(id) was revoked")
        }
        guard allow.contains(id.subject) else {
            throw Refusal(code: .callerNotAllowed, message: "\(id) is not among those that may call here")
        }
        return id
    }

    static func checkDates(_ leaf: Certificate, _ now: Timestamp) throws(Refusal) {
        let date = now.date
        if date < leaf.notValidBefore {
            let seconds = Int(leaf.notValidBefore.timeIntervalSince(date))
            throw Refusal(code: .clockSkew, message: "its certificate is valid only in \(seconds) s: a clock is wrong")
        }
        if date > leaf.notValidAfter {
            let seconds = Int(date.timeIntervalSince(leaf.notValidAfter))
            throw Refusal(code: .certificateExpired, message: "its certificate ended \(seconds) s ago")
        }
    }
}
