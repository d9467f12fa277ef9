/**
 * Who sends what in a key exchange. The arithmetic is a row of @ssh/crypto that knows no packets; the messages,
 * and the order in which they are hashed, are here.
 */

import { type KexAlgorithm, kexAlgorithms } from '@ssh/crypto'
import { type Codec, dhKexMessages, ecdhKexMessages, mpint, string, Writer } from '@ssh/wire'
import { groupExchangeAlgorithms, groupExchangeMethod } from './group-exchange.js'
import { type KexMethod, type KexStep, unexpectedKexMessage } from './kex-method.js'

/** Every key exchange that is spoken, best first. */
export const kexMethodNames: readonly string[] = [...kexAlgorithms.names, ...groupExchangeAlgorithms.names]

/** The method that a negotiated name stands for, or undefined when it is not supported. */
export function kexMethod(name: string): KexMethod | undefined {
  const algorithm = kexAlgorithms.get(name)
  if (algorithm !== undefined) return plainMethod(algorithm)
  const groupExchange = groupExchangeAlgorithms.get(name)
  return groupExchange && groupExchangeMethod(groupExchange.hash)
}

/** One message each way (RFC 4253 §8, RFC 5656 §4). */
function plainMethod(algorithm: KexAlgorithm): KexMethod {
  const isMpint = algorithm.publicValueEncoding === 'mpint'
  const messages = isMpint ? dhKexMessages : ecdhKexMessages
  const [kexInitiate, kexReply] = messages.definitions
  const codec = isMpint ? mpint : string
  return {
    hash: algorithm.hash,
    secretEncoding: algorithm.secretEncoding,
    startClient(random) {
      const initiation = algorithm.initiate(random)
      const { publicValue } = initiation
      return {
        begin: () => kexInitiate.encode({ publicValue }),
        receive(payload) {
          const message = messages.decode(payload)
          if (message.type !== 'kexReply') throw unexpectedKexMessage(message.type, 'kexReply')
          const secret = initiation.finish(message.publicValue)
          const methodFields = encodePublicValues(codec, publicValue, message.publicValue)
          return done({ hostKey: message.hostKey, signature: message.signature, methodFields, secret })
        },
      }
    },
    startServer: (random) => ({
      receive(payload) {
        const message = messages.decode(payload)
        if (message.type !== 'kexInitiate') throw unexpectedKexMessage(message.type, 'kexInitiate')
        const { publicValue, secret } = algorithm.respond(message.publicValue, random)
        const methodFields = encodePublicValues(codec, message.publicValue, publicValue)
        const reply = (hostKey: Uint8Array, signature: Uint8Array) =>
          kexReply.encode({ hostKey, publicValue, signature })
        return done({ methodFields, secret, reply })
      },
    }),
  }
}

function done<Result>(result: Result): KexStep<Result> {
  return { type: 'done', result }
}

function encodePublicValues(codec: Codec<Uint8Array>, client: Uint8Array, server: Uint8Array): Uint8Array {
  const writer = new Writer(client.length + server.length + 10)
  codec.write(writer, client)
  codec.write(writer, server)
  return writer.finish()
}
