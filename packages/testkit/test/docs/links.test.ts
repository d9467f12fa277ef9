import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '../../../..')

/** Every page of ours, by its path from the root. */
const pages = new Map(
  [...markdownIn(root, false), ...markdownIn(join(root, 'packages'), true)].map((path) => [
    relative(root, path),
    readFileSync(path, 'utf8'),
  ]),
)

function markdownIn(folder: string, isDeep: boolean): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (entry.isFile()) return entry.name.endsWith('.md') ? [join(folder, entry.name)] : []
    const isOurs = entry.isDirectory() && !['node_modules', 'dist'].includes(entry.name)
    return isDeep && isOurs ? markdownIn(join(folder, entry.name), true) : []
  })
}

/** Targets of links outside of code, but those that lead to other hosts. */
function linksOf(text: string): string[] {
  const prose = text.replace(/^```.*?^```/gms, '').replace(/`[^`\n]*`/g, '')
  return [...prose.matchAll(/\]\(([^()\s]+)\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !/^\w+:/.test(target))
}

/** As GitHub names a heading. */
function anchorsOf(text: string): Set<string> {
  const headings = text.replace(/^```.*?^```/gms, '').matchAll(/^#+ (.*)$/gm)
  return new Set(
    [...headings].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  )
}

test('every link between our pages leads somewhere', () => {
  const broken = [...pages].flatMap(([page, text]) =>
    linksOf(text).flatMap((target) => {
      const [path = '', anchor] = target.split('#')
      const found = path === '' ? page : normalize(join(dirname(page), path))
      const isThere = existsSync(join(root, found)) && (anchor === undefined || hasAnchor(found, anchor))
      return isThere ? [] : [`${page}: ${target}`]
    }),
  )
  expect(broken).toEqual([])
})

function hasAnchor(page: string, anchor: string): boolean {
  const text = pages.get(page)
  return text !== undefined && anchorsOf(text).has(anchor)
}

test('every guide and every decision can be reached from another page', () => {
  const linked = new Set(
    [...pages].flatMap(([page, text]) =>
      linksOf(text).map((target) => normalize(join(dirname(page), target.split('#')[0] ?? ''))),
    ),
  )
  const folders = [...linked].filter((path) => existsSync(join(root, path)) && statSync(join(root, path)).isDirectory())
  const lost = [...pages.keys()].filter(
    (page) => page.includes('/docs/') && !linked.has(page) && !folders.includes(dirname(page)),
  )
  expect(lost).toEqual([])
})

test('every example is in the list of examples', () => {
  const folder = join(root, 'packages/examples/src')
  const examples = readdirSync(folder).filter((name) => /^(?:client|server|sftp|keys)-.*\.ts$/.test(name))
  const listed = new Set(linksOf(pages.get('packages/examples/README.md') ?? ''))
  expect(examples.filter((name) => !listed.has(`src/${name}`))).toEqual([])
})
