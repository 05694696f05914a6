import RegistryModel

/// Where spans go, as the variables of OpenTelemetry say it.
public struct TracingConfiguration: Sendable, Equatable {
    /// Of the collector.
    public var host: String
    public var port: Int
    public var isTLS: Bool
    /// `/v1/traces`, below what the endpoint names.
    public var path: String
    public var headers: [Header] = []
    /// Between two looks at what has gathered.
    public var interval: Duration = .seconds(1)
    /// Requests in one message.
    public var batchSize = 512
    /// Requests that wait; what comes beyond is dropped.
    public var queueSize = 4_096

    public struct Header: Sendable, Equatable {
        public var name: String
        public var value: String
    }

    /// Reads `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, `OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_EXPORTER_OTLP_HEADERS`,
    /// `OTEL_BSP_SCHEDULE_DELAY`, `OTEL_SDK_DISABLED` and `OTEL_TRACES_EXPORTER`.
    ///
    /// - Returns: nil where none is set, or tracing is off.
    /// - Throws: ``SidecarError`` for an endpoint that is no `http` or `https` URL.
    public init?(environment: (String) -> String?) throws(SidecarError) {
        func set(_ name: String) -> String? { environment(name).flatMap { $0.isEmpty ? nil : $0 } }
        guard set("OTEL_SDK_DISABLED")?.lowercased() != "true", set("OTEL_TRACES_EXPORTER") != "none" else {
            return nil
        }
        if let whole = set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") {
            try self.init(url: whole)
            if path.isEmpty { path = "/" }
        } else if let base = set("OTEL_EXPORTER_OTLP_ENDPOINT") {
            try self.init(url: base)
            path += path.hasSuffix("/") ? "v1/traces" : "/v1/traces"
        } else {
            return nil
        }
        let fields = set("OTEL_EXPORTER_OTLP_TRACES_HEADERS") ?? set("OTEL_EXPORTER_OTLP_HEADERS") ?? ""
        headers = fields.split(separator: ",").compactMap { Header(String($0)) }
        if let delay = set("OTEL_BSP_SCHEDULE_DELAY").flatMap({ Int64($0) }), (1...60_000).contains(delay) {
            interval = .milliseconds(delay)
        }
    }

    /// `http://localhost:4318`, `https://collector.example.org/otlp`
    private init(url: String) throws(SidecarError) {
        let malformed = SidecarError(
            .configuration,
            "\(url) is no endpoint of a collector: http://HOST:PORT or https://…"
        )
        let parts = url.split(separator: "://", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, ["http", "https"].contains(parts[0].lowercased()) else { throw malformed }
        isTLS = parts[0].lowercased() == "https"
        let authority = parts[1].prefix { $0 != "/" }
        path = String(parts[1].dropFirst(authority.count))
        guard path.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7f }), !authority.contains("@") else { throw malformed }
        var name = authority
        port = isTLS ? 443 : 80
        if let colon = authority.lastIndex(of: ":"), !authority.hasSuffix("]") {
            guard let number = UInt16(authority[authority.index(after: colon)...]), number > 0 else { throw malformed }
            port = Int(number)
            name = authority[..<colon]
        }
        if name.hasPrefix("["), name.hasSuffix("]") { name = name.dropFirst().dropLast() }
        guard !name.isEmpty, name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else { throw malformed }
        host = String(name)
    }
}

extension TracingConfiguration.Header {
    /// `name=value`, the value percent-encoded as in W3C Baggage; nil where it is none, or no field could hold it.
    fileprivate init?(_ text: String) {
        let sides = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard sides.count == 2, let value = PercentCoding.decoded(sides[1].trimmed.utf8) else { return nil }
        let name = String(sides[0].trimmed)
        guard !name.isEmpty, name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: ":") }),
            value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f })
        else { return nil }
        self.init(name: name.lowercased(), value: value)
    }
}

extension Substring {
    fileprivate var trimmed: Substring {
        let start = drop { $0 == " " }
        return start.lastIndex { $0 != " " }.map { start[...$0] } ?? ""
    }
}
