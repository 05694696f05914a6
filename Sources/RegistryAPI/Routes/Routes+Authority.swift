import Hummingbird
import Identity
import NIOCore
import Registry
import RegistryModel

extension RegistryRoutes {
    /// Whom to believe: for everybody, since a root certificate is no secret.
    func addTrustBundle(to router: Router<Context>) {
        on(router, .get, "/v1/trust-bundle", for: .anyone) { _ in try authorityReply() }
    }

    /// Rotating is the operator's; a key comes in by the socket alone, so that it crosses no network.
    func addAuthority(to router: Router<Context>) {
        on(router, .post, "/v1/authority/rotate") { request in
            if try Self.isFinish(try await request.body()) {
                try await authority.finishRotation { try await request.submit($0, to: registry) }
            } else {
                try await authority.rotate { try await request.submit($0, to: registry) }
            }
            return try authorityReply()
        }
        on(router, .post, "/v1/authority/install") { request in
            guard door == .operators else {
                throw ProblemDetails.notAllowed(
                    "an authority's key is installed by the operator's socket alone",
                    hint: "on the registry's machine: hms-reg ca install FILE…"
                )
            }
            try await authority.rotate(to: try Self.installedText(try await request.body())) {
                try await request.submit($0, to: registry)
            }
            return try authorityReply()
        }
    }

    private func authorityReply() throws -> Reply {
        var json = JSONWriter(reservingCapacity: 4_096)
        try authority.report.write(to: &json)
        var reply = Reply(json: json)
        reply.noteSequence(registry.sequence)
        return reply
    }

    private static func isFinish(_ body: ByteBuffer) throws -> Bool {
        guard body.readableBytes > 0 else { return false }
        var finish = false
        try RequestBody.parse(body) { (reader) throws(RegistryModelError) in
            try reader.object { (reader, key) throws(RegistryModelError) in
                guard key == "finish" else { throw Registration.unknownMember(key, among: ["finish"]) }
                finish = try reader.bool()
            }
        }
        return finish
    }

    private static func installedText(_ body: ByteBuffer) throws -> String {
        var pem = ""
        try RequestBody.parse(body) { (reader) throws(RegistryModelError) in
            try reader.object { (reader, key) throws(RegistryModelError) in
                guard key == "pem" else { throw Registration.unknownMember(key, among: ["pem"]) }
                pem = try reader.string()
            }
        }
        guard !pem.isEmpty else { throw RegistryModelError(.missingField, "pem is missing") }
        return pem
    }
}

extension ProblemDetails {
    static func oldRootInUse(_ users: [CertificateRecord]) -> ProblemDetails {
        let names = Set(users.map(\.spiffeID)).sorted()
        let shown = names.prefix(3).joined(separator: ", ") + (names.count > 3 ? " and \(names.count - 3) more" : "")
        return ProblemDetails(
            code: "old-root-in-use",
            status: 409,
            title: "Old root in use",
            detail: "\(users.count) certificates under the old root are in use and not renewed yet: \(shown)",
            hint: "wait: it ends by itself once the last of them has; or revoke what is lost: hms-reg cert revoke"
        )
    }
}
