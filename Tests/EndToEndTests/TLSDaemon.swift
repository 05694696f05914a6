import Foundation
import Identity
import RegistryClient
import RegistryModel
import TestSupport

/// A daemon with a TLS door, and `openssl s_client` in front of it.
struct TLSDaemon: Sendable {
    let daemon: Daemon
    let directory: String

    static func start(_ directory: String, _ options: [String] = [], label: String = "regd") async throws -> TLSDaemon {
        let daemon = try await Daemon.start(directory + "/data", ["--listen", "127.0.0.1:0"] + options, label: label)
        let tls = TLSDaemon(daemon: daemon, directory: directory)
        try writeFile(directory + "/bundle.pem", Array(try await daemon.reg("ca", "show", "--pem").output.utf8))
        return tls
    }

    var address: RegistryAddress {
        get throws { try RegistryAddress(daemon.plainAddress) }
    }

    /// The daemon's own authority, for certificates that it would not issue.
    func authority() throws -> CertificateAuthority {
        let now = Timestamp(rawValue: Int64(Date().timeIntervalSince1970) * 1_000_000_000)
        return try CertificateAuthority.open(
            in: daemon.data + "/keys",
            trustDomain: try TrustDomain("gov.local"),
            now: now
        )
    }

    /// A service that has joined by a token, as a sidecar does.
    func join(_ service: String) async throws -> RegistryCredentials {
        let made = try await daemon.reg("token", "create", "--service", service)
        let token = try JoinToken(made.output.trimmingCharacters(in: .whitespacesAndNewlines))
        return try await RegistryCredentials.joined(by: token, as: .service(try ServiceName(service)))
    }

    /// Writes `NAME.crt` and `NAME.key`.
    func write(_ identity: RegistryCredentials.Identity, as name: String) throws {
        try writeFile("\(directory)/\(name).crt", Array(try identity.svid.pem.utf8))
        try writeFile("\(directory)/\(name).key", Array(identity.key.pem.utf8))
    }

    /// What `openssl s_client` prints: the session, then the answer, or the alert.
    func get(_ path: String, _ options: String = "") throws -> String {
        let request = "GET \(path) HTTP/1.1\\r\\nhost: registry\\r\\nconnection: close\\r\\n\\r\\n"
        return try runShell(
            """
            cd \(directory) && printf '\(request)' | timeout 10 openssl s_client -ign_eof -connect \(daemon.plainAddress) \
            -CAfile bundle.pem -verify_return_error \(options)
            """
        ).output
    }

    /// With the identity of this name, leaf and issuer.
    static func showing(_ name: String) -> String {
        "-cert \(name).crt -key \(name).key -cert_chain \(name).crt"
    }
}

extension CertificateAuthority {
    /// An identity that this authority signs at a time and for a while.
    func identity(
        _ id: String,
        at time: Date = Date(),
        life: Duration = CertificateAuthority.leafLife
    ) throws -> RegistryCredentials.Identity {
        let key = WorkloadKey()
        let now = Timestamp(rawValue: Int64(time.timeIntervalSince1970) * 1_000_000_000)
        return .init(svid: try issue(try SPIFFEID(id), for: key.publicKey, now: now, life: life), key: key)
    }
}
