import NIOCore
import NIOHTTP1
public import RegistryModel

/// What a watch says: state, never history.
public enum WatchMessage: Sendable, Equatable {
    /// What was known is of another history: forget it.
    case reset
    /// The roots to believe, PEM: first on every connection.
    case bundle(pem: String)
    /// What is not to be believed any more, replacing what was known of that: serial numbers, and services whose
    /// certificates issued before a time are void.
    case denied(serials: Set<String>, services: [ServiceName: Timestamp])
    /// A service whole, replacing what was known of it. A registry that does not know the name says so.
    case service(ServiceName, [RegisteredInstance], MeshPolicy?, isKnown: Bool = true)
    case upsert(RegisteredInstance)
    case remove(InstanceKey)
    case policy(ServiceName, MeshPolicy?)
}

/// A watch that survives its connections: it reconnects with backoff and goes on by its cursor, so that nothing is lost
/// and nothing goes back.
public struct WatchStream: Sendable {
    /// What whoever watches is told of the connection.
    public enum Connection: Sendable, Equatable {
        case connected
        case lost(RegistryClientError)
    }

    /// Nothing for this long, not even a comment line, means that the connection is dead.
    static let silence = TimeAmount.seconds(25)

    private let address: RegistryAddress
    private let credentials: @Sendable () -> RegistryCredentials?
    private let path: String

    /// - Parameters:
    ///   - credentials: for a TLS door; asked for anew at each connection, since certificates are renewed meanwhile.
    ///   - services: none: all.
    public init(
        address: RegistryAddress,
        credentials: @escaping @Sendable () -> RegistryCredentials? = { nil },
        services: [ServiceName]
    ) {
        self.address = address
        self.credentials = credentials
        let names = services.isEmpty ? ["*"] : services.map(\.description)
        path = "/v1/watch?" + names.map { "service=\($0)" }.joined(separator: "&")
    }

    /// Watches until the task is cancelled or `onMessage` throws.
    ///
    /// - Parameters:
    ///   - onConnection: told when the stream begins and when it is lost; throwing ends the watch.
    ///   - onMessage: a message, and the document that it came in.
    /// - Throws: what the closures throw; the registry's own refusal of the watch.
    public func run(
        onConnection: (Connection) throws -> Void,
        onMessage: (WatchMessage, _ document: [UInt8]) throws -> Void
    ) async throws {
        var cursor: String?
        var backoff = ReconnectBackoff()
        while true {
            do {
                try await follow(&cursor, &backoff, onConnection, onMessage)
            } catch let error as RegistryClientError {
                // A refusal stays one however often it is asked for.
                if let status = error.status, status < 500 { throw error }
                try onConnection(.lost(error))
            }
            try await Task.sleep(for: backoff.next(random: .random(in: 0...1)))  // between two connections
        }
    }

    private func follow(
        _ cursor: inout String?,
        _ backoff: inout ReconnectBackoff,
        _ onConnection: (Connection) throws -> Void,
        _ onMessage: (WatchMessage, [UInt8]) throws -> Void
    ) async throws {
        var parser = EventStreamParser()
        var refusal: (status: Int, body: [UInt8])?
        var seen = cursor
        defer { cursor = seen }
        do {
            try await open().executeThenClose { parts, requests in
                try await send(cursor, to: requests)
                for try await part in parts {
                    switch part {
                    case .head(let head) where head.status != .ok: refusal = (Int(head.status.code), [])
                    case .head:
                        backoff.reset()
                        try onConnection(.connected)
                    case .body(let buffer):
                        guard refusal == nil else {
                            refusal?.body += Array(buffer.readableBytesView)
                            continue
                        }
                        try parser.feed(buffer.readableBytesView) { event in
                            try onMessage(try WatchMessage(event), event.data)
                            seen = event.id ?? seen
                        }
                    case .end: return
                    }
                }
            }
        } catch is ChannelError {
            // Ended without a word: like any other loss.
        } catch is IOError {
            // Reset.
        } catch is HTTPParserError {
            // Cut off in the middle of a chunk.
        } catch {
            throw RegistryClientError(tls: error, at: address) ?? error
        }
        if let refusal { throw RegistryClientError(problem: refusal.body, status: refusal.status) }
        throw RegistryClientError(.interrupted, "the registry at \(address) ended the watch")
    }

    private func send(
        _ cursor: String?,
        to requests: NIOAsyncChannelOutboundWriter<HTTPClientRequestPart>
    ) async throws {
        var headers = HTTPHeaders([("host", address.host), ("user-agent", "hms"), ("accept", "text/event-stream")])
        if let cursor { headers.add(name: "last-event-id", value: cursor) }
        let head = HTTPRequestHead(version: .http1_1, method: .GET, uri: path, headers: headers)
        try await requests.write(.head(head))
        try await requests.write(.end(nil))
    }

    /// A channel whose answer is read as fast as it is taken: a slow watcher slows the registry's side of its own
    /// connection, and nothing piles up here.
    private func open() async throws -> NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart> {
        let transport = try RegistryConnection.transport(to: address, credentials())
        return try await RegistryConnection.connect(to: address, over: transport) { channel in
            channel.eventLoop.makeCompletedFuture {
                let operations = channel.pipeline.syncOperations
                try operations.addHandler(IdleStateHandler(readTimeout: Self.silence))
                try operations.addHandler(IdleCloser())
                try operations.addHTTPClientHandlers()
                return try NIOAsyncChannel(wrappingChannelSynchronously: channel)
            }
        }
    }
}

extension WatchMessage {
    /// - Throws: `malformed-answer` where the event is none of a watch.
    init(_ event: ServerSentEvent) throws(RegistryClientError) {
        do {
            self = try JSONReader.parse(event.data) { (json) throws(RegistryModelError) in
                try Self(named: event.name, from: &json)
            }
        } catch {
            throw RegistryClientError(.malformedAnswer, "a \(event.name) event makes no sense: \(error.message)")
        }
    }

    private static func denied(from json: inout JSONReader) throws(RegistryModelError) -> WatchMessage {
        var serials: [String] = []
        var services: [ServiceName: Timestamp] = [:]
        try json.object { (json, member) throws(RegistryModelError) in
            switch member {
            case "serials": serials = try json.strings(limit: 1_000_000)
            case "services":
                try json.object { (json, name) throws(RegistryModelError) in
                    services[try ServiceName(name)] = try json.timestamp()
                }
            default: try json.skip()
            }
        }
        return .denied(serials: Set(serials), services: services)
    }

    private init(named name: String, from json: inout JSONReader) throws(RegistryModelError) {
        var service: ServiceName?
        var id: InstanceID?
        var policy: MeshPolicy?
        var pem: String?
        var isKnown = true
        var instances: [RegisteredInstance] = []
        if name == "denied" {
            self = try Self.denied(from: &json)
            return
        }
        try json.object { (json, member) throws(RegistryModelError) in
            switch member {
            case "service": service = try ServiceName(try json.string())
            case "pem": pem = try json.string()
            case "known": isKnown = try json.bool()
            case "id": id = try InstanceID(try json.string())
            case "policy": if !json.takeNull() { policy = try MeshPolicy(from: &json) }
            case "instance", "instances":
                // The registry writes the service's name first.
                guard let service else { throw json.malformed("instances of no service") }
                if member == "instance" {
                    instances.append(try RegisteredInstance(service: service, from: &json))
                } else {
                    try json.array { (json) throws(RegistryModelError) in
                        instances.append(try RegisteredInstance(service: service, from: &json))
                    }
                }
            default: try json.skip()
            }
        }
        if name == "bundle", let pem {
            self = .bundle(pem: pem)
            return
        }
        switch (name, service, id, instances.first) {
        case ("reset", _, _, _): self = .reset
        case ("service", let service?, _, _): self = .service(service, instances, policy, isKnown: isKnown)
        case ("upsert", _, _, let instance?): self = .upsert(instance)
        case ("remove", let service?, let id?, _): self = .remove(InstanceKey(service: service, id: id))
        case ("policy", let service?, _, _): self = .policy(service, policy)
        default: throw RegistryModelError(.missingField, "what a \(name) event must have")
        }
    }
}
