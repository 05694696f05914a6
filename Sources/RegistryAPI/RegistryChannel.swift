import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1
import NIOHTTPTypesHTTP1

/// Hummingbird's HTTP/1.1 channel with the hot paths in front of its router.
struct RegistryChannel: ServerChildChannel {
    typealias Value = HTTP1Channel.Value

    let base: HTTP1Channel
    let service: HotPathService
    let door: Door
    let credentials: PeerCredentials

    init(
        responder: @escaping HTTPChannelHandler.Responder,
        service: HotPathService,
        door: Door,
        credentials: PeerCredentials
    ) {
        base = HTTP1Channel(
            responder: responder,
            configuration: .init(
                idleTimeout: .seconds(300),
                httpDecoderConfiguration: .init(
                    maxHeaderFieldSize: RequestLimits.headBytes,
                    maxHeaderListSize: RequestLimits.headBytes,
                    maxHeaderFieldCount: RequestLimits.headFields
                )
            )
        )
        self.service = service
        self.door = door
        self.credentials = credentials
    }

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        credentials.uid(of: channel).flatMap { uid in
            base.setup(channel: channel, logger: logger).flatMapThrowing { value in
                let operations = channel.pipeline.syncOperations
                let codec = try operations.handler(type: HTTP1ToHTTPServerCodec.self)
                try operations.addHandler(
                    HotPathHandler(service: service, door: door, uid: uid),
                    position: .before(codec)
                )
                return value
            }
        }
    }

    func handle(value: Value, logger: Logger) async {
        await base.handle(value: value, logger: logger)
    }
}
