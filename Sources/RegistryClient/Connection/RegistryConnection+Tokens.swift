import NIOHTTP1
public import RegistryModel

/// A join token as it was made: the one time that it is shown.
public struct CreatedToken: Sendable, Equatable {
    public var text = ""
    public var id = ""
    /// `host:port` that stands in it.
    public var address = ""
    public var expires = Timestamp(rawValue: 0)
}

/// A join token on record.
public struct TokenEntry: Sendable, Equatable {
    public var id = ""
    /// A service's name, or `auditor` or `operator` for a person's.
    public var subject = ""
    public var isPersons = false
    public var uses: UInt64 = 0
    public var used: UInt64 = 0
    public var expires = Timestamp(rawValue: 0)
    public var from = ""
    public var isRevoked = false
}

/// Who the registry takes this side for.
public struct OwnIdentity: Sendable, Equatable {
    /// `nobody`, `user`, `workload`, `auditor` or `operator`.
    public var role = ""
    /// nil on a socket.
    public var spiffeID: String?
    public var serial: String?
    public var notAfter: Timestamp?
    /// On a socket.
    public var uid: UInt64?
    public var trustDomain = ""
}

extension RegistryConnection {
    /// - Parameters:
    ///   - subject: a service, or a person's role.
    ///   - life: 1 s to 30 d.
    ///   - from: CIDR; empty: anywhere.
    public func createToken(
        for subject: TokenRecord.Subject,
        life: Duration,
        uses: UInt64,
        from: String = ""
    ) async throws(RegistryClientError) -> CreatedToken {
        var json = JSONWriter()
        json.beginObject()
        switch subject {
        case .service(let service): json.member("service", service.description)
        case .person(let role): json.member("role", role.description)
        }
        json.member("expiresInMs", UInt64(max(0, life.milliseconds)))
        json.member("uses", uses)
        if !from.isEmpty { json.member("from", from) }
        json.endObject()
        return try await send(.POST, "/v1/tokens", body: json.bytes).read { (json) throws(RegistryModelError) in
            var token = CreatedToken()
            try json.object { (json, name) throws(RegistryModelError) in
                switch name {
                case "token": token.text = try json.string()
                case "id": token.id = try json.string()
                case "address": token.address = try json.string()
                case "expires": token.expires = try json.timestamp()
                default: try json.skip()
                }
            }
            return token
        }
    }

    public func tokens() async throws(RegistryClientError) -> [TokenEntry] {
        try await send(.GET, "/v1/tokens").read { (json) throws(RegistryModelError) in
            var entries: [TokenEntry] = []
            try json.object { (json, name) throws(RegistryModelError) in
                guard name == "tokens" else { return try json.skip() }
                try json.array { (json) throws(RegistryModelError) in entries.append(try TokenEntry(from: &json)) }
            }
            return entries
        }
    }

    public func revokeToken(_ id: String) async throws(RegistryClientError) {
        _ = try await send(.DELETE, "/v1/tokens/\(PercentCoding.encoded(id))")
    }

    public func whoAmI() async throws(RegistryClientError) -> OwnIdentity {
        try await send(.GET, "/v1/whoami").read { (json) throws(RegistryModelError) in
            var own = OwnIdentity()
            try json.object { (json, name) throws(RegistryModelError) in
                switch name {
                case "role": own.role = try json.string()
                case "spiffeId": own.spiffeID = try json.string()
                case "serial": own.serial = try json.string()
                case "notAfter": own.notAfter = try json.timestamp()
                case "uid": own.uid = try json.integer()
                case "trustDomain": own.trustDomain = try json.string()
                default: try json.skip()
                }
            }
            return own
        }
    }
}

extension TokenEntry {
    fileprivate init(from json: inout JSONReader) throws(RegistryModelError) {
        var read = Self()
        try json.object { (json, name) throws(RegistryModelError) in
            switch name {
            case "id": read.id = try json.string()
            case "service": read.subject = try json.string()
            case "role":
                read.subject = try json.string()
                read.isPersons = true
            case "uses": read.uses = try json.integer()
            case "used": read.used = try json.integer()
            case "expires": read.expires = try json.timestamp()
            case "from": read.from = try json.string()
            case "revoked": read.isRevoked = try json.bool()
            default: try json.skip()
            }
        }
        self = read
    }
}
