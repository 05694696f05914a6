import RegistryModel

/// A sidecar's own answer to a call: one code, and all that a caller needs to know what to do.
struct MeshError: Error, Sendable, Equatable {
    let code: MeshErrorCode
    /// What happened, to whom.
    let message: String
    /// What to do.
    let hint: String?
    let delivered: Delivery
    let hop: MeshErrorCode.Hop
    let service: String?
    let instance: InstanceKey?
    /// Tries that were made.
    var attempts: Int

    /// - Parameters:
    ///   - hint: nil: what is usual for the code.
    ///   - delivered: used where the code does not settle it; nil: nothing was sent.
    init(
        _ code: MeshErrorCode,
        _ message: String,
        hint: String? = nil,
        delivered: Delivery? = nil,
        hop: MeshErrorCode.Hop? = nil,
        service: String? = nil,
        instance: InstanceKey? = nil,
        attempts: Int = 0
    ) {
        self.code = code
        self.message = message
        self.hint = hint ?? service.map { code.hint.replacing("SERVICE", with: $0) } ?? code.hint
        self.delivered = code.fixedDelivery ?? delivered ?? .no
        self.hop = hop ?? code.hop
        self.service = service
        self.instance = instance
        self.attempts = attempts
    }

    /// The body of the answer, `application/json`.
    func json() -> [UInt8] {
        var json = JSONWriter()
        json.beginObject()
        json.member("code", code.rawValue)
        json.member("status", code.status)
        json.member("message", message)
        if let hint { json.member("hint", hint) }
        if let service { json.member("service", service) }
        if let instance { json.member("instance", instance.description) }
        json.member("hop", hop.rawValue)
        json.member("attempts", attempts)
        json.member("delivered", delivered.rawValue)
        json.endObject()
        return json.bytes
    }
}
