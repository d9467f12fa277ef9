/**
 * What a terminal sends, key by key: characters, control characters, and the escape sequences of xterm, the VT series and
 * the Linux console (ECMA-48 §5.4). What a sequence may take is bounded; one that is too long is passed over.
 */

/** One key: its text as it was sent, and whether it was pasted. */
export interface Key {
  /** A character of Unicode, or one whole escape sequence. */
  readonly text: string
  /** Part of what the terminal says was pasted. */
  readonly isPasted: boolean
}

type State = 'ground' | 'escape' | 'control-sequence' | 'console-key' | 'single-shift' | 'string' | 'string-escape'

const esc = '\x1b'
/** Characters of a sequence that are kept: those of keys are shorter by far. */
const longestSequence = 32
const pasteBegin = '\x1b[200~'
const pasteEnd = '\x1b[201~'

export class KeyDecoder {
  #state: State = 'ground'
  #sequence = ''
  #isPasting = false

  /** Whether no sequence is half received. */
  get isIdle(): boolean {
    return this.#state === 'ground'
  }

  /** @param character one character of Unicode @returns the key that it completes */
  take(character: string): Key | undefined {
    switch (this.#state) {
      case 'ground':
        if (character !== esc) return this.#key(character)
        return this.#begin()
      case 'escape':
        return this.#afterEscape(character)
      case 'control-sequence':
        if (character === esc) return this.#begin()
        if (character === '[' && this.#sequence.length === 2) return this.#grow(character, 'console-key')
        if (character >= '@' && character <= '~') return this.#end(character)
        if (character >= ' ' && character <= '?') return this.#grow(character, 'control-sequence')
        return this.#breakOff(character)
      case 'single-shift':
        if (character === esc) return this.#begin()
        if (character >= '0' && character <= '9') return this.#grow(character, 'single-shift')
        return character >= ' ' ? this.#end(character) : this.#breakOff(character)
      case 'console-key':
        return character >= ' ' ? this.#end(character) : this.#breakOff(character)
      case 'string':
        // The terminal's answer to a question, which ends with BEL or ST. Keys that people break off with end it as well.
        if (character === esc) this.#state = 'string-escape'
        else if (character === '\x07') this.#state = 'ground'
        else if (character === '\r' || character === '\n' || character === '\x03') return this.#breakOff(character)
        return undefined
      case 'string-escape':
        if (character !== '\\') return this.#afterEscape(character)
        this.#state = 'ground'
        return undefined
    }
  }

  /** Ends a sequence that is half received. @returns as much as there is of it */
  takeRest(): string {
    const rest = this.#state === 'ground' || this.#state === 'string' ? '' : this.#sequence
    this.#state = 'ground'
    return rest
  }

  #begin(): undefined {
    this.#state = 'escape'
    this.#sequence = esc
  }

  #afterEscape(character: string): Key | undefined {
    this.#sequence = esc
    if (character === '[') return this.#grow(character, 'control-sequence')
    if (character === 'O') return this.#grow(character, 'single-shift')
    // OSC, DCS, SOS, PM, APC
    if (']PX^_'.includes(character)) this.#state = 'string'
    else if (character === esc) this.#begin()
    else return this.#end(character)
    return undefined
  }

  #grow(character: string, state: State): undefined {
    this.#state = state
    if (this.#sequence.length <= longestSequence) this.#sequence += character
  }

  #end(character: string): Key | undefined {
    this.#state = 'ground'
    const sequence = this.#sequence + character
    return sequence.length > longestSequence ? undefined : this.#key(sequence)
  }

  /** A control character where a sequence cannot have one: it counts, and the sequence does not. */
  #breakOff(character: string): Key {
    this.#state = 'ground'
    return { text: character, isPasted: this.#wasPasted(character) }
  }

  #key(text: string): Key | undefined {
    if (text === pasteBegin) this.#isPasting = true
    else if (text === pasteEnd) this.#isPasting = false
    else return { text, isPasted: this.#wasPasted(text) }
    return undefined
  }

  /** Whoever interrupts is not held up by a paste whose end was lost. */
  #wasPasted(text: string): boolean {
    if (text === '\x03') this.#isPasting = false
    return this.#isPasting
  }
}
