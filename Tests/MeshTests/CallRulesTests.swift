import NIOCore
import RegistryModel
import Testing

@testable import Mesh

@Suite("Whose rules")
struct CallRulesTests {
    @Test("nobody says anything: the built-ins hold")
    func builtIn() {
        let resolved = resolve(call: .silent, upstream: .silent, registry: nil, mesh: .silent)
        #expect(resolved.rules == CallRules(retries: 2, timeout: .seconds(15), perTryTimeout: nil))
        #expect(resolved.retriesSource == .builtIn && resolved.perTryTimeoutSource == .builtIn)
    }

    @Test("each value comes from the first source that says anything of it")
    func precedence() {
        let call = RuleSet(timeout: .milliseconds(100))
        let upstream = RuleSet(retries: 1, timeout: .milliseconds(200))
        let registry = MeshPolicy(retries: 5, timeoutMilliseconds: 300, perTryTimeoutMilliseconds: 50)
        let mesh = RuleSet(retries: 7, timeout: .milliseconds(400), perTryTimeout: .milliseconds(60))
        var resolved = resolve(call: call, upstream: upstream, registry: registry, mesh: mesh)
        #expect(resolved.rules == CallRules(retries: 1, timeout: .milliseconds(100), perTryTimeout: .milliseconds(50)))
        #expect(resolved.retriesSource == .upstream)
        #expect(resolved.timeoutSource == .call)
        #expect(resolved.perTryTimeoutSource == .registry)

        resolved = resolve(call: .silent, upstream: .silent, registry: MeshPolicy(), mesh: mesh)
        #expect(resolved.rules == CallRules(retries: 7, timeout: .milliseconds(400), perTryTimeout: .milliseconds(60)))
        #expect(resolved.timeoutSource == .mesh)
    }

    @Test("retries are bounded, whoever asks", arguments: [(-3, 0), (0, 0), (10, 10), (4_000, 10)])
    func bounded(said: Int, taken: Int) {
        #expect(
            resolve(call: RuleSet(retries: said), upstream: .silent, registry: nil, mesh: .silent).rules.retries
                == taken
        )
    }

    @Test("the first try of a repeatable request leaves time for a second, no try has more than there is")
    func tryTimeout() {
        var rules = CallRules(retries: 2, timeout: .milliseconds(800), perTryTimeout: nil)
        let all = TimeAmount.milliseconds(800)
        #expect(rules.tryTimeout(isRepeatable: true, triesDone: 0, remaining: all) == .milliseconds(480))
        #expect(rules.tryTimeout(isRepeatable: true, triesDone: 0, remaining: .milliseconds(90)) == .milliseconds(90))
        #expect(rules.tryTimeout(isRepeatable: true, triesDone: 1, remaining: .milliseconds(320)) == .milliseconds(320))
        #expect(rules.tryTimeout(isRepeatable: false, triesDone: 0, remaining: all) == all)
        #expect(rules.connectTimeout(triesDone: 0, remaining: all) == .milliseconds(480))
        #expect(rules.connectTimeout(triesDone: 1, remaining: .milliseconds(320)) == .milliseconds(320))
        rules.perTryTimeout = .milliseconds(100)
        #expect(rules.tryTimeout(isRepeatable: false, triesDone: 0, remaining: all) == .milliseconds(100))
        #expect(rules.tryTimeout(isRepeatable: true, triesDone: 2, remaining: .milliseconds(30)) == .milliseconds(30))
        rules = CallRules(retries: 0, timeout: all, perTryTimeout: nil)
        #expect(rules.tryTimeout(isRepeatable: true, triesDone: 0, remaining: all) == all)
        #expect(rules.connectTimeout(triesDone: 0, remaining: all) == all)
    }
}
