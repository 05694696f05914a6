import NIOCore

/// Closes a connection on which nothing goes either way: whoever connects and says nothing holds no place for long.
final class IdleConnectionCloser: ChannelInboundHandler {
    typealias InboundIn = NIOAny

    /// A stream says something more often than that, and no answer takes the registry so long.
    static let patience = TimeAmount.seconds(60)

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is IdleStateHandler.IdleStateEvent {
            context.close(promise: nil)
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }
}
