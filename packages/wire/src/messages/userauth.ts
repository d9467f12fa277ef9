/** User authentication: RFC 4252 (50–53), and one set per method for the reused numbers 60–79. */

import { list, optionalTail, struct } from '../codec.js'
import { ascii, boolean, nameList, rest, string, text, utf8 } from '../fields.js'
import { type MessagesOf, message, messageSet } from '../message.js'

export const userauthRequest = message('userauthRequest', 50, 'RFC 4252 §5', {
  userName: utf8,
  serviceName: ascii,
  methodName: ascii,
  /** Layout by method: {@link userauthMethods}. */
  methodData: rest,
})

export const userauthFailure = message('userauthFailure', 51, 'RFC 4252 §5.1', {
  methodsThatCanContinue: nameList,
  partialSuccess: boolean,
})

export const userauthSuccess = message('userauthSuccess', 52, 'RFC 4252 §5.1', {})

export const userauthBanner = message('userauthBanner', 53, 'RFC 4252 §5.4', {
  message: text,
  languageTag: optionalTail(text, ''),
})

/** Messages of every method. A running method adds its own set. */
export const userauthMessages = messageSet(userauthRequest, userauthFailure, userauthSuccess, userauthBanner)
export type UserauthMessage = MessagesOf<typeof userauthMessages>

/** RFC 4252 §7: publickey. */
export const publickeyMessages = messageSet(
  message('pkOk', 60, 'RFC 4252 §7', { algorithmName: ascii, publicKey: string }),
)

/** RFC 4252 §8: password. */
export const passwordMessages = messageSet(
  message('passwdChangeReq', 60, 'RFC 4252 §8', { prompt: text, languageTag: optionalTail(text, '') }),
)

/** One prompt of keyboard-interactive. */
export const prompt = struct('prompt', { prompt: text, echo: boolean })

/** RFC 4256: keyboard-interactive. */
export const keyboardInteractiveMessages = messageSet(
  message('infoRequest', 60, 'RFC 4256 §3.2', {
    name: text,
    instruction: text,
    languageTag: text,
    prompts: list(prompt, 5),
  }),
  message('infoResponse', 61, 'RFC 4256 §3.4', { responses: list(utf8, 4) }),
)

export type PublickeyMessage = MessagesOf<typeof publickeyMessages>
export type PasswordMessage = MessagesOf<typeof passwordMessages>
export type KeyboardInteractiveMessage = MessagesOf<typeof keyboardInteractiveMessages>

/** The method-specific part of {@link userauthRequest}, by what its first boolean says where there is one. */
export const userauthMethods = {
  /** RFC 4252 §7: would this key be acceptable? */
  publickeyQuery: struct('publickey query', { hasSignature: boolean, algorithmName: ascii, publicKey: string }),
  /** RFC 4252 §7: the signed request. */
  publickeySigned: struct('publickey request', {
    hasSignature: boolean,
    algorithmName: ascii,
    publicKey: string,
    signature: string,
  }),
  /** RFC 4252 §8. */
  password: struct('password', { isChange: boolean, password: utf8 }),
  /** RFC 4252 §8: answer to passwdChangeReq. */
  passwordChange: struct('password change', { isChange: boolean, oldPassword: utf8, newPassword: utf8 }),
  /** RFC 4256 §3.1. */
  keyboardInteractive: struct('keyboard-interactive', { languageTag: text, submethods: text }),
  /** RFC 4252 §9. */
  hostbased: struct('hostbased', {
    algorithmName: ascii,
    publicKey: string,
    clientHostName: ascii,
    clientUserName: utf8,
    signature: string,
  }),
} as const
