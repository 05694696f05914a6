import Hummingbird
import Identity
import MaterializedView
import NIOCore
import Registry
import RegistryModel

extension RegistryRoutes {
    /// Bytes of a token's hash that name it.
    static let tokenIDBytes = 8
    private static let life = Duration.seconds(3_600)
    private static let lifeMilliseconds = UInt64(1_000)...2_592_000_000
    private static let uses: ClosedRange<UInt64> = 1...10_000

    /// Who the registry takes the peer for.
    func addIdentity(to router: Router<Context>) {
        on(router, .get, "/v1/whoami", for: .anyone) { request in
            var json = JSONWriter()
            json.beginObject()
            json.member("role", request.peer.role.description)
            if let certificate = request.peer.certificate {
                json.member("spiffeId", certificate.id.description)
                json.member("serial", certificate.serial)
                json.member("notAfter", certificate.notAfter)
            }
            if case .uid(let uid) = request.peer.actor.identity { json.member("uid", UInt64(uid)) }
            json.member("trustDomain", authority.trustDomain.description)
            json.member("time", registry.now().time)
            json.endObject()
            var reply = Reply(json: json)
            reply.noteSequence(registry.sequence)
            return reply
        }
    }

    /// What lets workloads and people on other machines ask for their first certificate.
    func addTokens(to router: Router<Context>) {
        on(router, .post, "/v1/tokens") { request in try await create(request) }
        on(router, .get, "/v1/tokens", for: .auditors) { _ in try tokens() }
        on(router, .delete, "/v1/tokens/:token") { request in
            let token = try token(named: request.target.path[2])
            return ReplyDocuments.done(try await request.submit(.revokeToken(hash: token.hash), to: registry))
        }
    }

    private func create(_ request: RoutedRequest) async throws -> Reply {
        guard let token = try authority.newToken() else {
            throw ProblemDetails(
                code: "no-tls-door",
                status: 409,
                title: "No TLS door",
                detail: "a token is for the TLS door, and this registry has none",
                hint: "hms-regd --listen HOST:PORT"
            )
        }
        let record = try record(try await request.body(), token.hash)
        let outcome = try await request.submit(.createToken(record), to: registry)
        var json = JSONWriter()
        json.beginObject()
        json.member("token", token.text)
        json.member("id", Self.id(record))
        json.member("address", token.address)
        json.member("expires", record.expires)
        json.member("sequence", outcome.sequence.rawValue)
        json.endObject()
        var reply = Reply(json: json, at: outcome)
        reply.status = 201
        reply.headers.append(("cache-control", "no-store"))
        return reply
    }

    private func record(_ body: ByteBuffer, _ hash: [UInt8]) throws -> TokenRecord {
        var subject: TokenRecord.Subject?
        var life = UInt64(Self.life.milliseconds)
        var uses: UInt64 = 1
        var from = ""
        try RequestBody.parse(body) { (reader) throws(RegistryModelError) in
            try reader.object { (reader, key) throws(RegistryModelError) in
                switch key {
                case "service": subject = .service(try ServiceName(try reader.string()))
                case "role":
                    guard let role = PersonRole(try reader.string()) else {
                        throw RegistryModelError(.invalidField, "role is neither auditor nor operator")
                    }
                    subject = .person(role)
                case "expiresInMs": life = try reader.integer()
                case "uses": uses = try reader.integer()
                case "from": from = try reader.string()
                default:
                    throw Registration.unknownMember(key, among: ["service", "role", "expiresInMs", "uses", "from"])
                }
            }
        }
        guard let subject else { throw RegistryModelError(.missingField, "service or role is due: what it is for") }
        guard Self.lifeMilliseconds.contains(life), Self.uses.contains(uses) else {
            throw RegistryModelError(.invalidField, "a token lives 1s to 30d and is used 1 to 10,000 times")
        }
        guard from.isEmpty || IPRange(from) != nil else {
            throw RegistryModelError(.invalidField, "from is no address range, such as 10.0.0.0/8")
        }
        return TokenRecord(
            hash: hash,
            subject: subject,
            uses: UInt32(uses),
            expires: registry.now().time.advanced(by: .milliseconds(Int64(life))),
            from: from
        )
    }

    private func tokens() throws -> Reply {
        try registry.view.read { (snapshot) throws -> Reply in
            var json = JSONWriter(reservingCapacity: 1_024)
            json.beginObject()
            json.key("tokens")
            json.beginArray()
            for token in try snapshot.tokens() {
                json.beginObject()
                json.member("id", Self.id(token))
                switch token.subject {
                case .service(let service): json.member("service", service.description)
                case .person(let role): json.member("role", role.description)
                }
                json.member("uses", UInt64(token.uses))
                json.member("used", UInt64(token.used))
                json.member("expires", token.expires)
                if !token.from.isEmpty { json.member("from", token.from) }
                json.member("revoked", token.isRevoked)
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

    private func token(named id: String) throws -> TokenRecord {
        let found = try registry.view.read { try $0.tokens() }.filter { Self.id($0) == id }
        guard let token = found.first else {
            throw ProblemDetails(
                code: "unknown-token",
                status: 404,
                title: "Unknown token",
                detail: "no token \(id.prefix(40)) is on record",
                hint: "hms-reg token list"
            )
        }
        return token
    }

    private static func id(_ token: TokenRecord) -> String {
        hexadecimal(token.hash.prefix(tokenIDBytes))
    }
}
