import NIOCore
public import RegistryModel

/// What a sidecar says of itself and has counted, as `GET /figures` of its admin doors tells it once a second.
public struct SidecarFigures: Sendable {
    static let period = TimeAmount.seconds(1)

    public var status: SidecarStatus
    /// Its metrics page (Prometheus text exposition format 0.0.4).
    public var metrics: String

    /// `{"status":{…},"metrics":"…"}`
    static func line(status: [UInt8], metrics: String) -> [UInt8] {
        var json = JSONWriter(reservingCapacity: status.count + metrics.utf8.count + 64)
        json.beginObject()
        json.key("status")
        json.write(raw: status)
        json.member("metrics", metrics)
        json.endObject()
        return json.bytes + [UInt8(ascii: "\n")]
    }

    /// - Throws: what is no such line. Keys that this version does not know are passed over.
    public init(parsing line: some Collection<UInt8>) throws(RegistryModelError) {
        var status: SidecarStatus?
        var metrics = ""
        try JSONReader.parse(Array(line)) { (json) throws(RegistryModelError) in
            try json.object { (json, key) throws(RegistryModelError) in
                switch key {
                case "status": status = try SidecarStatus(from: &json)
                case "metrics": metrics = try json.string()
                default: try json.skip()
                }
            }
        }
        guard let status else { throw RegistryModelError(.missingField, "a sidecar's figures have no status") }
        self.status = status
        self.metrics = metrics
    }
}

extension SidecarCaller {
    /// Hands on what a sidecar tells of itself, until it ends or the task is cancelled.
    ///
    /// - Throws: ``SidecarError`` where the answer is cut off, or the sidecar refuses.
    public func figures(_ onFigures: @escaping @Sendable (SidecarFigures) -> Void) async throws {
        try await lines(Request(path: "/figures")) { line in
            // One that makes no sense is passed over, as one is that was left out: the next comes in a second.
            if let figures = try? SidecarFigures(parsing: line) { onFigures(figures) }
        }
    }
}
