import Hummingbird
import Identity
import MaterializedView
import NIOCore
import Registry
import RegistryModel

extension RegistryRoutes {
    /// Issuing is for whoever has a right to it, revoking the operator's.
    func addCertificates(to router: Router<Context>) {
        on(router, .post, "/v1/certificates", for: .anyone) { request in
            try await issue(try CertificateRequestBody(try await request.body()), request)
        }
        on(router, .get, "/v1/certificates", for: .auditors) { _ in try certificates() }
        on(router, .post, "/v1/certificates/deny") { request in
            let now = registry.now().time
            let (service, before) = try Self.denial(try await request.body())
            let last = try registry.view.read { try $0.revocation(.service(service)) }
            let revocation = ServiceDenial.revocation(of: service, asked: before, now: now, last: last?.before)
            return try await revoke(revocation, request)
        }
        on(router, .delete, "/v1/certificates/:serial") { request in
            let now = registry.now().time
            let revocation = Revocation(subject: .serial(request.target.path[2]), before: now, until: now)
            return try await revoke(revocation, request)
        }
    }

    /// Once it is on record connections of the denied end, before the answer tells of it.
    private func revoke(_ revocation: Revocation, _ request: RoutedRequest) async throws -> Reply {
        let outcome = try await request.submit(.revoke(revocation), to: registry)
        authority.noteRevocation()
        return ReplyDocuments.done(outcome)
    }

    // MARK: Requests

    private static func denial(_ body: ByteBuffer) throws -> (ServiceName, Timestamp?) {
        var service: ServiceName?
        var before: Timestamp?
        try RequestBody.parse(body) { (reader) throws(RegistryModelError) in
            try reader.object { (reader, key) throws(RegistryModelError) in
                switch key {
                case "service": service = try ServiceName(try reader.string())
                case "before":
                    guard let time = Timestamp(rfc3339: try reader.string()) else {
                        throw RegistryModelError(.invalidField, "before is no RFC 3339 time")
                    }
                    before = time
                default: throw Registration.unknownMember(key, among: ["service", "before"])
                }
            }
        }
        guard let service else { throw RegistryModelError(.missingField, "service is missing") }
        return (service, before)
    }

    // MARK: Answers

    private func certificates() throws -> Reply {
        try registry.view.read { (snapshot) throws -> Reply in
            let revocations = try snapshot.revocations()
            var json = JSONWriter(reservingCapacity: 4_096)
            json.beginObject()
            json.key("certificates")
            json.beginArray()
            for certificate in try snapshot.certificates() {
                json.beginObject()
                json.member("serial", certificate.serial)
                json.member("spiffeId", certificate.spiffeID)
                json.member("keyHash", "sha256:" + hexadecimal(certificate.keyHash))
                json.member("notAfter", certificate.notAfter)
                json.member("revoked", revocations.contains { $0.covers(certificate) })
                json.endObject()
            }
            json.endArray()
            json.member("sequence", snapshot.sequence.rawValue)
            json.member("time", registry.now().time)
            json.endObject()
            var reply = Reply(json: json)
            reply.noteSequence(snapshot.sequence)
            return reply
        }
    }
}

extension Revocation {
    /// Of a service: all certificates live equally long, so one that ends by the revocation's end was issued before it.
    func covers(_ certificate: CertificateRecord) -> Bool {
        switch subject {
        case .serial(let serial): serial == certificate.serial
        case .service(let service):
            certificate.spiffeID.hasSuffix("/svc/\(service)") && certificate.notAfter <= until
        }
    }
}
