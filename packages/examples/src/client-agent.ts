/**
 * Logs in with a key of the agent, and lends the agent to one command (`ssh -A`). The agent is that of SSH_AUTH_SOCK, or
 * on Windows OpenSSH's or Pageant.
 */

import { connect, connectAgent } from '@ssh/sdk'

const [destination = 'localhost'] = process.argv.slice(2)

await using agent = await connectAgent()
const keys = await agent.listKeys()
for (const key of keys) console.log(`${key.algorithm} ${key.getFingerprint()}`)

// Without `clientKeys` the agent's keys are tried first; here they are all there is.
await using conn = await connect(destination, { clientKeys: keys })
// Whoever controls that host can log in as you while the command runs, so lend an agent only where you would leave a key.
const { stdout } = await conn.run('ssh-add -l', { agentForwarding: true, check: true })
console.log(`seen from there: ${stdout.split('\n').length - 1}`)
