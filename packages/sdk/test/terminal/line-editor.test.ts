import { processorTimeMs } from '@ssh/testkit'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { LineEditor, type LineEditorOptions } from '../../src/terminal/line-editor.js'
import { Screen } from './screen.js'

interface Bench {
  readonly editor: LineEditor
  readonly screen: Screen
  /** What came out: lines, `<eof>`, `<break>`. */
  readonly events: string[]
  /** Types, and begins the next line as whoever reads does. */
  type(text: string): void
  print(text: string): void
}

function bench(options: Partial<LineEditorOptions> & { readonly prompt?: string } = {}): Bench {
  const { prompt = '', ...rest } = options
  const settings = { term: 'xterm', columns: 20, rows: 24, echo: true, history: 100, maxLineLength: 1024, ...rest }
  const screen = new Screen(settings.columns, settings.rows)
  const events: string[] = []
  const editor: LineEditor = new LineEditor(settings, {
    send: (bytes) => screen.write(bytes),
    onLine: (line) => events.push(line),
    onEof: () => events.push('<eof>'),
    onBreak: () => events.push('<break>'),
    onError: (error) => events.push(`<error ${(error as Error).message}>`),
  })
  editor.begin(prompt)
  return {
    editor,
    screen,
    events,
    type: (text) => {
      for (let at = 0; at < text.length; ) {
        if (!editor.isActive) editor.begin(prompt)
        at += editor.receive(text.slice(at), () => true)
      }
      if (!editor.isActive) editor.begin(prompt)
    },
    print: (text) => editor.print(Buffer.from(text)),
  }
}

const keys = {
  left: '\x1b[D',
  right: '\x1b[C',
  up: '\x1b[A',
  down: '\x1b[B',
  home: '\x1b[H',
  end: '\x1b[F',
  delete: '\x1b[3~',
  backspace: '\x7f',
} as const
const { left, right, up, down, home, end, backspace } = keys
const ctrl = (letter: string) => String.fromCharCode(letter.charCodeAt(0) & 0x1f)

describe('keys', () => {
  test.each<[what: string, typed: string, shown: string]>([
    ['letters', 'hello', 'hello|'],
    ['a letter in the middle', `helo${left}l`, 'hell|o'],
    ['backspace as DEL', `abc${backspace}`, 'ab|'],
    ['backspace as BS', 'abc\b', 'ab|'],
    ['backspace in the middle', `abc${left}${backspace}`, 'a|c'],
    ['Ctrl-A', `abc${ctrl('A')}x`, 'x|abc'],
    ['Ctrl-E', `abc${ctrl('A')}${ctrl('E')}x`, 'abcx|'],
    ['Ctrl-B', `abc${ctrl('B')}`, 'ab|c'],
    ['Ctrl-F', `abc${home}${ctrl('F')}`, 'a|bc'],
    ['Ctrl-D deletes', `abc${home}${ctrl('D')}`, '|bc'],
    ['Ctrl-H', `abc${ctrl('H')}`, 'ab|'],
    ['Ctrl-K', `abcd${left}${left}${ctrl('K')}`, 'ab|'],
    ['Ctrl-U', `abcd${left}${ctrl('U')}`, '|'],
    ['Ctrl-W', `one two  ${ctrl('W')}`, 'one |'],
    ['Ctrl-W takes to the blank', `ls /usr/bin${ctrl('W')}`, 'ls |'],
    ['Alt-Backspace takes to the slash', `ls /usr/bin\x1b\x7f`, 'ls /usr/|'],
    ['Alt-B and Alt-F', `one two\x1bb\x1bb\x1bfx`, 'onex| two'],
    ['Alt-D', `one two${home}\x1bd`, '| two'],
    ['Ctrl-Left and Ctrl-Right', `one two\x1b[1;5D\x1b[1;5D\x1b[1;5Cx`, 'onex| two'],
    ['Ctrl-Y', `one two${ctrl('W')}${home}${ctrl('Y')}`, 'two|one'],
    ['Ctrl-T at the end', `abc${ctrl('T')}`, 'acb|'],
    ['Ctrl-T in the middle', `abcd${left}${left}${ctrl('T')}`, 'acb|d'],
    ['Ctrl-L', `abc${ctrl('L')}`, 'abc|'],
    ['Ctrl-R', `abc${ctrl('R')}`, 'abc|'],
    ['Home, End of xterm', `b${home}a${end}c`, 'abc|'],
    ['Home, End of the keypad', 'b\x1bOHa\x1bOFc', 'abc|'],
    ['Home, End of the VT220', 'b\x1b[1~a\x1b[4~c', 'abc|'],
    ['Home, End of rxvt', 'b\x1b[7~a\x1b[8~c', 'abc|'],
    ['arrows of application mode', 'ac\x1bODb\x1bOC', 'abc|'],
    ['Delete', `abc${home}\x1b[3~`, '|bc'],
    ['a tab', 'a\tb', 'a       b|'],
    ['Insert and flow control are nothing', 'a\x1b[2~\x11\x13b', 'ab|'],
    ['keys that nobody knows', 'a\x1b[15~\x1b[[A\x1bOPb', 'ab|'],
    [
      'what terminals say by themselves',
      'a\x1b[I\x1b[O\x1b[?62;c\x1b[12;40R\x1b]11;rgb:0/0/0\x07b\x1bP1$r0m\x1b\\c',
      'abc|',
    ],
    ['accents of their own', `e\u0301x${left}${backspace}`, '|x'],
    ['wide characters', `漢字${left}x`, '漢x|字'],
    ['a family', `a👩‍👩‍👧b${left}${left}x`, 'ax|👩‍👩‍👧b'],
    ['backspace over a flag', `🇩🇪🇫🇷${backspace}`, '🇩🇪|'],
  ])('%s', (_, typed, shown) => {
    const { type, screen, events } = bench()
    type(typed)
    expect(screen.shown).toBe(shown)
    expect(events).toEqual([])
  })

  test.each<[what: string, typed: string, lines: string[]]>([
    ['Enter as CR', 'a\rb\r', ['a', 'b']],
    ['Enter as LF', 'a\nb\n', ['a', 'b']],
    ['Enter as CR LF is one', 'a\r\nb\r\n', ['a', 'b']],
    ['two LF are two', 'a\n\n', ['a', '']],
    ['Enter of the keypad', 'a\x1bOM', ['a']],
    ['in the middle of a line gives all of it', `abc${home}\r`, ['abc']],
    ['Ctrl-C drops the line', `abc${ctrl('C')}d\r`, ['<break>', 'd']],
    ['Ctrl-D on an empty line', `${ctrl('D')}a\r`, ['<eof>', 'a']],
    ['Ctrl-D at the end of a line', `a${ctrl('D')}\r`, ['a']],
    ['Ctrl-C in the middle of a sequence', `a\x1b[${ctrl('C')}\x1b]x${ctrl('C')}`, ['<break>', '<break>']],
  ])('%s', (_, typed, lines) => {
    const { type, events } = bench()
    type(typed)
    expect(events).toEqual(lines)
  })

  test('a beep says that there is nothing to do, once for all that came at a time', () => {
    for (const typed of [backspace, left, right, up, down, ctrl('K'), ctrl('W'), ctrl('Y'), ctrl('T'), '\x1b[15~']) {
      const { type, screen } = bench()
      type(typed.repeat(50))
      expect(screen.bells).toBe(1)
    }
  })

  test('a line that is full beeps, and stays as it is', () => {
    const { type, screen, events } = bench({ maxLineLength: 5 })
    type('abcdefgh')
    expect([screen.shown, screen.bells]).toEqual(['abcde|', 1])
    type(`${backspace}漢\r`)
    expect(events).toEqual(['abcd漢'])
  })
})

describe('history', () => {
  test('goes back and forth, and keeps the new line', () => {
    const { type, screen } = bench()
    type(`one\rtwo\rthr${up}`)
    expect(screen.lines.at(-1)).toBe('two')
    type(up)
    expect(screen.lines.at(-1)).toBe('one')
    type(up)
    expect([screen.lines.at(-1), screen.bells]).toEqual(['one', 1])
    type(`${down}${down}`)
    expect(screen.lines.at(-1)).toBe('thr')
  })

  test('an old line can be changed on the way, and is in the history as it was', () => {
    const { type, events, editor } = bench()
    type(`one\rtwo\r${up}${up}!${down}?${up}\r`)
    expect(events).toEqual(['one', 'two', 'one!'])
    expect(editor.history).toEqual(['one', 'two', 'one!'])
    type(`${up}${up}\r`)
    expect(events.at(-1)).toBe('two')
  })

  test('keeps as many lines as it should, and no line twice in a row, and no empty one', () => {
    const { type, editor } = bench({ history: 3 })
    type('a\ra\r\rb\rc\rd\r')
    expect(editor.history).toEqual(['b', 'c', 'd'])
    editor.history = ['1', '2', '3', '4']
    expect(editor.history).toEqual(['2', '3', '4'])
    type(`${up}\r`)
    expect(editor.history).toEqual(['2', '3', '4'])
  })

  test('of no lines is none', () => {
    const { type, screen, events } = bench({ history: 0 })
    type(`a\r${up}\r`)
    expect([events, screen.bells]).toEqual([['a', ''], 1])
  })
})

describe('without echo', () => {
  test('nothing of the line is seen, and it is not in the history', () => {
    const { type, screen, events, editor } = bench({ prompt: 'Password: ' })
    type('user\r')
    editor.echo = false
    type(`sec${left}x${up}\r`)
    expect(events).toEqual(['user', 'sexc'])
    expect(screen.shown).toBe('Password: user\nPassword:\nPassword: |')
    expect(screen.received).not.toMatch(/sec|x/)
    expect(editor.history).toEqual(['user'])
  })

  test('the line appears when echo is turned on', () => {
    const { type, screen, editor } = bench({ echo: false })
    type('abc')
    expect(screen.shown).toBe('|')
    editor.echo = true
    expect(screen.shown).toBe('abc|')
    editor.echo = false
    expect(screen.shown).toBe('|')
  })
})

describe('rows', () => {
  test('a line goes on in the next row, and back', () => {
    const { type, screen } = bench({ columns: 5, prompt: '> ' })
    type('abc')
    expect(screen.shown).toBe('> abc\n|')
    type('def')
    expect(screen.shown).toBe('> abc\ndef|')
    type(home)
    expect(screen.shown).toBe('> |abc\ndef')
    type('x')
    expect(screen.shown).toBe('> x|ab\ncdef')
    type(`${end}gh\r`)
    // The row was full, so the next is begun already.
    expect(screen.lines).toEqual(['> xab', 'cdefg', 'h', '>'])
  })

  test('a line that ends at the margin leaves no empty row behind it', () => {
    const { type, screen, events } = bench({ columns: 5 })
    type('abcde\rf')
    expect([screen.shown, events]).toEqual(['abcde\nf|', ['abcde']])
  })

  test('a wide character does not lie across the margin', () => {
    const { type, screen } = bench({ columns: 5 })
    type('漢字漢字')
    expect(screen.shown).toBe('漢字\n漢字|')
    type(`${home}x`)
    expect(screen.shown).toBe('x|漢字\n漢字')
    type(`${end}${backspace.repeat(3)}`)
    expect(screen.shown).toBe('x漢|')
  })

  test('rows that a shorter line leaves are empty', () => {
    const { type, screen, print } = bench({ columns: 5 })
    print('one\n')
    type(`abcdefghijkl${home}${ctrl('D').repeat(9)}`)
    expect(screen.shown).toBe('one\n|jkl')
  })

  test('a line that is higher than the screen shows the part around the cursor', () => {
    for (const pieces of [[...'aaaabbbbccccdddd'], ['aaaabbbbccccdddd']]) {
      const { type, screen, events } = bench({ columns: 4, rows: 3 })
      for (const piece of pieces) type(piece)
      expect(screen.visible).toEqual(['cccc', 'dddd', ''])
      type(home)
      expect(screen.visible).toEqual(['aaaa', 'bbbb', 'cccc'])
      type(`x${end}y\r`)
      expect(events).toEqual(['xaaaabbbbccccddddy'])
      expect(screen.visible).toEqual(['cddd', 'dy', ''])
    }
  })
})

describe('output', () => {
  test('appears above the line, which is drawn again', () => {
    const { type, print, screen } = bench({ prompt: '> ' })
    type(`hello${left}`)
    print('bob: hi\n')
    expect(screen.shown).toBe('bob: hi\n> hell|o')
    print('bob: how are ')
    print('you?\n')
    expect(screen.shown).toBe('bob: hi\nbob: how are you?\n> hell|o')
  })

  test('that ends in a row is what the line follows, as prompts are', () => {
    const { type, print, screen, events } = bench()
    type('typed ahead')
    print('Name: ')
    expect(screen.shown).toBe('Name: typed ahead|')
    type('\r')
    print('Hello\n')
    expect(screen.lines).toEqual(['Name: typed ahead', 'Hello'])
    expect(events).toEqual(['typed ahead'])
  })

  test('above a line of several rows', () => {
    const { type, print, screen } = bench({ columns: 5, prompt: '> ' })
    type(`abcdefghij${left.repeat(6)}`)
    print('hello, world\n')
    expect(screen.shown).toBe('hello\n, wor\nld\n> abc\nd|efgh\nij')
  })

  test('that ends at the margin', () => {
    const { type, print, screen } = bench({ columns: 5 })
    print('12345')
    type('a')
    expect(screen.shown).toBe('12345\na|')
    print('67\n')
    expect(screen.lines).toEqual(['12345', '67', 'a'])
  })

  test('with colours, cursor movements and titles leaves the line where it belongs', () => {
    for (const [output, column] of [
      ['\x1b[1;31mred\x1b[0m> ', 5],
      ['\x1b]0;title\x07$ ', 2],
      ['\x1b]0;title\x1b\\$ ', 2],
      ['working...\rdone ', 5],
      ['abc\b\b', 1],
      ['a\tb', 9],
      ['abcdef\x1b[3D', 3],
      ['abc\x1b[5G', 4],
      ['\x1b[2J\x1b[3;7H', 6],
      ['漢é: ', 5],
    ] as const) {
      const sent: string[] = []
      const editor = new LineEditor(
        { term: 'xterm', columns: 20, rows: 24, echo: true, history: 0, maxLineLength: 100 },
        {
          send: (bytes) => sent.push(Buffer.from(bytes).toString()),
          onLine: () => {},
          onEof: () => {},
          onBreak: () => {},
          onError: () => {},
        },
      )
      editor.print(Buffer.from(output))
      editor.begin()
      editor.receive('x', () => true)
      sent.length = 0
      editor.print(Buffer.from('\n'))
      // One step back takes the line away: the column from which it did was right.
      expect([output, sent[0]]).toEqual([output, '\b\x1b[J'])
      sent.length = 0
      editor.print(Buffer.from(output))
      editor.receive(`${home}`, () => true)
      editor.receive('y'.repeat(20 - column), () => true)
      // Those and the one from before are one more than the row has room for.
      expect([output, sent.join('').includes(' \r') || sent.join('').endsWith('\b')]).toEqual([output, true])
    }
  })

  test('cut anywhere, in the middle of characters and sequences, is sent whole and in order', () => {
    const text = 'a\x1b[1mb\x1b[0m漢\x1b]0;t\x07é\r\nx\n👍\x1b(B!'
    const bytes = Buffer.from(text)
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: bytes.length - 1 }), { maxLength: 6 }), (cuts) => {
        const sent: Uint8Array[] = []
        const editor = new LineEditor(
          { term: 'dumb', columns: 80, rows: 24, echo: true, history: 0, maxLineLength: 100 },
          {
            send: (chunk) => sent.push(chunk),
            onLine: () => {},
            onEof: () => {},
            onBreak: () => {},
            onError: () => {},
          },
        )
        const places = [0, ...cuts.sort((a, b) => a - b), bytes.length]
        for (let index = 1; index < places.length; index++) {
          editor.print(bytes.subarray(places[index - 1], places[index]))
          // What is drawn between two parts must find no sequence half sent.
          expect(Buffer.concat(sent).toString()).not.toContain('\ufffd')
        }
        editor.end()
        expect(Buffer.concat(sent).toString()).toBe(text.replace(/\r?\n/g, '\r\n'))
      }),
    )
  })

  test('a sequence that never ends is not kept for ever', () => {
    const { print, screen } = bench()
    expect(() => print(`\x1b]0;${'x'.repeat(1000)}`)).toThrow('does not know')
    expect(screen.received.length).toBeGreaterThan(1000)
  })
})

describe('resize', () => {
  test('draws the line for the new width', () => {
    const { type, print, screen, editor } = bench({ columns: 12, prompt: '> ' })
    print('hello\n')
    type(`abcdefghijklmnop${left.repeat(3)}`)
    for (const columns of [8, 30, 5, 12]) {
      screen.resize(columns)
      editor.resize(columns, 24)
      type('')
      const line = '> abcdefghijklmnop'
      const rows = line.match(new RegExp(`.{1,${columns}}`, 'g')) ?? []
      expect(screen.lines).toEqual(['hello', ...rows.map((row) => row.trimEnd())])
    }
    type('X\r')
    expect(screen.lines.join('')).toContain('klmXnop')
  })

  test('to no size at all is to what terminals are by default', () => {
    const { type, screen, editor } = bench()
    screen.resize(80)
    editor.resize(0, 0)
    type('a'.repeat(79))
    expect(screen.lines).toEqual(['a'.repeat(79)])
  })

  test('to one column still shows wide characters', () => {
    const { type, editor, events } = bench()
    editor.resize(1, 1)
    type('漢字\r')
    expect(events).toEqual(['漢字'])
  })
})

describe('terminals without cursor movement', () => {
  const dumb = { term: 'dumb', columns: 12 } as const

  test('get no escape sequences', () => {
    const { type, screen, print, events } = bench({ ...dumb, prompt: '> ' })
    type(`hello${left}${left}x${home}y${end}z${backspace}${ctrl('W')}bye${ctrl('L')}`)
    expect(screen.shown).toBe('> bye|')
    print('news\n')
    expect(screen.shown.split('\n').at(-1)).toBe('> bye|')
    type('\r')
    expect(events).toEqual(['bye'])
    expect(screen.received).not.toContain('\x1b')
  })

  test('show the part of a long line that is around the cursor', () => {
    const { type, screen, events } = bench(dumb)
    type('abcdefghijklmno')
    expect(screen.shown).toBe('efghijklmno|')
    type(home)
    expect(screen.shown).toBe('|abcdefghijk')
    type(`${right.repeat(13)}X\r`)
    expect(events).toEqual(['abcdefghijklmXno'])
  })
})

describe('pastes', () => {
  test('are asked for, and asked for no more at the end', () => {
    const { screen, editor } = bench()
    expect(screen.takesPastes).toBe(true)
    editor.end()
    expect(screen.takesPastes).toBe(false)
  })

  test('are text, whatever keys they would be, and line ends in them end lines', () => {
    const { type, events, editor } = bench()
    editor.register('\t', () => ({ line: 'completed' }))
    type(`\x1b[200~a\tb\x01\x1b[Dc\rd\x1b[201~${home}x\r`)
    expect(events).toEqual(['a\tbc', 'xd'])
  })

  test('without an end do not keep anybody from breaking off', () => {
    const { type, events } = bench()
    type(`\x1b[200~abc${ctrl('C')}d${backspace}e\r`)
    expect(events).toEqual(['<break>', 'e'])
  })
})

describe('registered keys', () => {
  test('are called with the line, and change it', () => {
    const { type, editor, screen, events } = bench()
    const calls: unknown[] = []
    editor.register('\t', (line, cursor) => {
      calls.push([line, cursor])
      return { line: `${line}lete ok`, cursor: 8 }
    })
    type(`comp\tX`)
    expect(calls).toEqual([['comp', 4]])
    expect(screen.shown).toBe('completeX| ok')
    editor.unregister('\t')
    type('\t\r')
    expect(events).toEqual(['completeX\t ok'])
  })

  test('count the place in UTF-16 units', () => {
    const { type, editor } = bench()
    const calls: unknown[] = []
    editor.register('\x1b[15~', (line, cursor) => {
      calls.push([line, cursor])
      return { line, cursor: 2 }
    })
    type(`👍e\u0301x${left}\x1b[15~`)
    type('\x1b[15~')
    expect(calls).toEqual([
      ['👍e\u0301x', 4],
      ['👍e\u0301x', 2],
    ])
  })

  test('do what the key does otherwise, or beep, or nothing', () => {
    const { type, editor, events, screen } = bench()
    editor.register('a', () => 'default')
    editor.register('b', () => 'bell')
    editor.register('c', () => undefined)
    editor.register('\r', (line) => (line.endsWith('\\') ? { line: `${line.slice(0, -1)}` } : 'default'))
    type('abcd\\\re\r')
    expect([events, screen.bells]).toEqual([['ade'], 1])
  })

  test('may write, above the line', () => {
    const { type, print, editor, screen } = bench({ prompt: '> ' })
    editor.register('?', () => {
      print('help\n')
      return undefined
    })
    type('ab?c')
    expect(screen.shown).toBe('help\n> abc|')
  })

  test('may be several keys, and what only began like them is typed', () => {
    const { type, editor, events } = bench()
    editor.register('\x18\x05', () => ({ line: 'edited' }))
    editor.register('jk', () => ({ line: 'left' }))
    type(`x${ctrl('X')}${ctrl('E')}\r`)
    type('jjk\r')
    type('ja\r')
    type('aj\r')
    expect(events).toEqual(['edited', 'left', 'ja', 'aj'])
  })

  test('that throw are told of, and the line stays', () => {
    const { type, editor, events } = bench()
    editor.register('!', () => {
      throw new Error('oops')
    })
    type('a!b\r')
    expect(events).toEqual(['<error oops>', 'ab'])
  })

  test.each(['', '\x1b', '\x1b[', '\x1b[1', '\x1bO', 'a\x1b'])('must be whole: %j is not', (sequence) => {
    expect(() => bench().editor.register(sequence, () => undefined)).toThrow(RangeError)
  })
})

describe('hostile terminals', () => {
  test('bytes that are no UTF-8 become one replacement character each at most', () => {
    const { type, events } = bench()
    type(new TextDecoder().decode(Uint8Array.of(0x61, 0xff, 0xc3, 0x62, 0x0d)))
    expect(events).toEqual(['a\ufffd\ufffdb'])
  })

  test('sequences without an end take no memory and hide nothing behind their end', () => {
    for (const flood of [`\x1b[${'1;'.repeat(50_000)}`, `\x1b]${'x'.repeat(100_000)}`, '\x1b'.repeat(100_000)]) {
      const { type, events } = bench()
      type(`a${flood}`)
      type(flood.startsWith('\x1b]') ? '\x07' : 'Z')
      type('b\r')
      expect(events).toEqual(['ab'])
    }
  })

  test('a storm of keys costs no more than it should', async () => {
    const { type, screen, editor } = bench({ columns: 80, maxLineLength: 1024 })
    type('x'.repeat(1024))
    const before = screen.received.length
    editor.receive(`${home}${end}`.repeat(5000), () => true)
    // Only what there is to see in the end is sent.
    expect(screen.received.length - before).toBeLessThan(100)
    editor.setInput('')
    const storm = `e${'\u0301'.repeat(2000)}${'漢'.repeat(2000)}${left.repeat(5000)}${'é'.repeat(1000)}`
    expect(await processorTimeMs(() => type(storm))).toBeLessThan(5000)
    expect(editor.takeInput().length).toBe(1024)
  })

  test('any keys at all: the screen shows the line that comes out, and nothing else is drawn', () => {
    const piece = fc.oneof(
      fc.constantFrom(...Object.values(keys), ...'ABDEFHKPNTUWYR'.split('').map(ctrl), '\x1bb', '\x1bf', '\x1bd'),
      fc.constantFrom('a', 'b ', 'word ', '漢', '👍', 'e\u0301', 'ö', '0123456789'),
      fc.constant('\x1b[Z'),
    )
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 60 }),
        fc.integer({ min: 3, max: 25 }),
        fc.integer({ min: 40, max: 60 }),
        fc.array(fc.nat(59), { maxLength: 4 }),
        (typed, columns, rows, interruptions) => {
          const { type, print, screen, editor } = bench({ columns, rows, prompt: '> ' })
          for (const [index, text] of typed.entries()) {
            type(text)
            if (interruptions.includes(index)) print('news\n')
          }
          const news = new Set(interruptions.filter((index) => index < typed.length)).size
          const { line, cursor } = stateOf(editor)
          const again = bench({ columns, rows, prompt: '> ' })
          for (let count = 0; count < news; count++) again.print('news\n')
          again.editor.setInput(line, cursor)
          expect(screen.shown).toBe(again.screen.shown)
        },
      ),
      { numRuns: 300 },
    )
  })
})

/** The line and the place in it, as a handler is told. */
function stateOf(editor: LineEditor): { line: string; cursor: number } {
  let state = { line: '', cursor: 0 }
  editor.register('\x1b[24~', (line, cursor) => {
    state = { line, cursor }
    return undefined
  })
  editor.receive('\x1b[24~', () => true)
  return state
}
