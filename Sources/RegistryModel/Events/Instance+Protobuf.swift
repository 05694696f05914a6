import SwiftProtobuf

extension Instance {
    func registeredMessage(health: Health) -> Hms_Log_V1_InstanceRegistered {
        .with {
            $0.service = key.service.description
            $0.id = key.id.description
            $0.ip = endpoint.host
            $0.port = UInt32(endpoint.port)
            $0.appPort = UInt32(appPort ?? 0)
            $0.version = version
            $0.tags = tags
            $0.metadata = metadata.map { entry in
                .with {
                    $0.key = entry.key
                    $0.value = entry.value
                }
            }
            $0.zone = zone
            $0.weight = weight
            $0.protocol = applicationProtocol
            switch lease {
            case .inherited: break
            case .ttl(let milliseconds): $0.ttlMs = milliseconds
            case .permanent: $0.noTtl = true
            }
            $0.repeatable = repeatable
            $0.keyLineage = keyLineage
            $0.tlsCert = tlsCert
            $0.startID = startID
            $0.health = health.message
        }
    }

    init(_ message: Hms_Log_V1_InstanceRegistered) throws(RegistryModelError) {
        guard let port = UInt16(exactly: message.port), let appPort = UInt16(exactly: message.appPort) else {
            throw RegistryModelError(.malformedEvent, "port \(message.port) or \(message.appPort) is out of range")
        }
        self.init(
            key: try InstanceKey(message.service, message.id),
            endpoint: try Endpoint(host: message.ip, port: port)
        )
        self.appPort = appPort == 0 ? nil : appPort
        version = message.version
        tags = message.tags
        metadata = message.metadata.map { MetadataEntry(key: $0.key, value: $0.value) }
        zone = message.zone
        weight = message.weight
        applicationProtocol = message.protocol
        lease = message.noTtl ? .permanent : message.ttlMs == 0 ? .inherited : .ttl(milliseconds: message.ttlMs)
        repeatable = message.repeatable
        keyLineage = message.keyLineage
        tlsCert = message.tlsCert
        startID = message.startID
    }
}

extension MeshPolicy {
    var message: Hms_Log_V1_Policy {
        .with {
            if let retries { $0.retries = retries }
            if let timeoutMilliseconds { $0.timeoutMs = timeoutMilliseconds }
            if let perTryTimeoutMilliseconds { $0.perTryTimeoutMs = perTryTimeoutMilliseconds }
            if let ttlMilliseconds { $0.ttlMs = ttlMilliseconds }
            if let deregisterAfterMilliseconds { $0.deregisterAfterMs = deregisterAfterMilliseconds }
        }
    }

    init(_ message: Hms_Log_V1_Policy) {
        self.init(
            retries: message.hasRetries ? message.retries : nil,
            timeoutMilliseconds: message.hasTimeoutMs ? message.timeoutMs : nil,
            perTryTimeoutMilliseconds: message.hasPerTryTimeoutMs ? message.perTryTimeoutMs : nil,
            ttlMilliseconds: message.hasTtlMs ? message.ttlMs : nil,
            deregisterAfterMilliseconds: message.hasDeregisterAfterMs ? message.deregisterAfterMs : nil
        )
    }
}

extension InstanceKey {
    init(_ service: String, _ id: String) throws(RegistryModelError) {
        self.init(service: try ServiceName(service), id: try InstanceID(id))
    }
}

extension Health {
    var message: Hms_Log_V1_Health {
        switch self {
        case .starting: .starting
        case .healthy: .healthy
        case .degraded: .degraded
        case .unhealthy: .unhealthy
        case .draining: .draining
        }
    }

    init(_ message: Hms_Log_V1_Health) throws(RegistryModelError) {
        switch message {
        case .starting: self = .starting
        case .healthy: self = .healthy
        case .degraded: self = .degraded
        case .unhealthy: self = .unhealthy
        case .draining: self = .draining
        case .unspecified, .UNRECOGNIZED:
            throw RegistryModelError(.malformedEvent, "health \(message.rawValue) means nothing to this version")
        }
    }
}

extension TransitionCause {
    var message: Hms_Log_V1_Cause {
        Hms_Log_V1_Cause(rawValue: Int(rawValue)) ?? .unspecified
    }

    init(_ message: Hms_Log_V1_Cause) throws(RegistryModelError) {
        guard let raw = UInt8(exactly: message.rawValue), let cause = TransitionCause(rawValue: raw) else {
            throw RegistryModelError(.malformedEvent, "cause \(message.rawValue) means nothing to this version")
        }
        self = cause
    }
}
