/** The page: its parts, and what of the source goes to which. */

import { Announcer } from './announcer.ts';
import { usages } from './completion.ts';
import type { Usage, Vocabulary } from './completion.ts';
import { el, say } from './dom.ts';
import { moment } from './figures.ts';
import { graph, rings } from './graph.ts';
import { readSettings } from './settings.ts';
import type { Setting } from './settings.ts';
import type { BusEvent, DataSource, News, Snapshot, State } from './source.ts';
import { tell } from './telling.ts';
import { ChartsView } from './view/charts.ts';
import { ConsoleView } from './view/console.ts';
import { FlowView } from './view/flow.ts';
import { LedgerView } from './view/ledger.ts';
import { LevelView } from './view/level.ts';
import { NewsView } from './view/news.ts';
import { SettingsView } from './view/settings.ts';
import { StartView } from './view/start.ts';
import { themeButton } from './view/theme.ts';
import { TunerView } from './view/tuner.ts';

/** Between two looks at the engine. */
const LOOK_MS = 500;

export class Page {
  readonly #source: DataSource;
  readonly #start: StartView;
  readonly #tuner = new TunerView();
  readonly #level = new LevelView();
  readonly #flow = new FlowView();
  readonly #ledger = new LedgerView();
  readonly #charts = new ChartsView();
  readonly #news = new NewsView();
  readonly #console: ConsoleView;
  readonly #settings: SettingsView;
  readonly #heard = el('p', { class: 'unseen', 'aria-live': 'polite' });
  readonly #announcer = new Announcer((text) => say(this.#heard, text));
  #usages: Usage[] = [];
  #known: Setting[] = [];
  #names: Record<string, string[]> = {};
  /** Of the source, once it has told. */
  #rate_hz: number | null = null;
  #looking = false;

  constructor(source: DataSource, place: HTMLElement) {
    this.#source = source;
    const command = (line: string): ReturnType<DataSource['command']> => source.command(line);
    this.#start = new StartView(source);
    this.#console = new ConsoleView({ command, vocabulary: () => this.#vocabulary() });
    this.#settings = new SettingsView(command);
    place.append(
      el('header', {}, el('h1', {}, 'pcmflow'), themeButton(() => this.#charts.restyle())),
      el(
        'main',
        {},
        this.#start.element,
        this.#tuner.element,
        this.#level.element,
        this.#ledger.element,
        this.#flow.element,
        this.#charts.element,
        this.#news.element,
        this.#console.element,
        this.#settings.element,
      ),
      this.#heard,
    );
    source.listen((news) => this.#take(news));
    this.#enter(source.state);
    const frame = (): void => {
      this.#tuner.draw();
      this.#level.draw();
      this.#announcer.show(this.#tuner.reading, performance.now());
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
    setInterval(() => {
      if (!document.hidden) void this.#look();
    }, LOOK_MS);
  }

  #take(news: News): void {
    switch (news.type) {
      case 'pitch':
        this.#tuner.hear(news);
        return;
      case 'level':
        this.#level.hear(news);
        return;
      case 'event':
        this.#take_event(news);
        return;
      case 'missed':
        this.#news.add({ weight: 'note', text: `${news.events} events found no room on their way to this page` }, performance.now());
        return;
      case 'line':
        this.#console.tell(news.text);
        return;
      case 'state':
        this.#enter(news.state);
    }
  }

  #take_event(event: BusEvent): void {
    if (event.name === 'source_started' || event.name === 'format_changed') this.#rate_hz = event.fields.rate_hz;
    // Whoever changed it: this page, its console, or somebody else at the same engine.
    if (event.name === 'config_changed') void this.#learn();
    const told = tell(event, this.#rate_hz);
    if (told) this.#news.add(told, event.at_ms);
  }

  #enter(state: State): void {
    this.#start.show(state);
    if (state.is === 'starting') {
      this.#tuner.clear();
      this.#level.clear();
      this.#charts.clear();
    }
    if (state.is === 'interrupted' || state.is === 'stopped' || state.is === 'failed') {
      this.#tuner.rest();
      this.#level.rest();
    }
    if (state.is === 'running') {
      this.#rate_hz = state.rate_hz ?? this.#rate_hz;
      void this.#learn();
    }
    if (state.is !== 'idle') void this.#look();
  }

  /** The words and the settings of this engine. */
  async #learn(): Promise<void> {
    this.#usages = usages(await this.#source.command('help'));
    this.#known = await readSettings((line) => this.#source.command(line));
    this.#settings.show(this.#known);
  }

  /** Looks at the engine, and shows what is there. Where it is slow, looks are left out, not heaped up. */
  async #look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      const snapshot = await this.#source.snapshot();
      if (snapshot) await this.#show(snapshot);
    } finally {
      this.#looking = false;
    }
  }

  async #show(snapshot: Snapshot): Promise<void> {
    const { is } = this.#source.state;
    const running = is === 'running' || is === 'interrupted';
    this.#ledger.show(snapshot, this.#rate_hz, is === 'stopped');
    this.#news.show(snapshot.alerts, snapshot.at_ns);
    if (!running) return;
    this.#charts.add(moment(snapshot));
    const status = await this.#source.command('buffer-status');
    const ring = rings(status.rows ?? []);
    this.#flow.show(graph(snapshot, ring));
    this.#names = { input: [...ring.keys()], pipeline: Object.keys(snapshot.links) };
  }

  #vocabulary(): Vocabulary {
    return { usages: this.#usages, settings: this.#known, names: this.#names };
  }
}
