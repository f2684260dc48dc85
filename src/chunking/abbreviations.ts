// Words after which a full stop ends no sentence, in English, German, French and Spanish.

const set = (words: string): ReadonlySet<string> => new Set(words.split(/\s+/).filter(Boolean));

/** Never the end, whatever follows. In small letters; those that are also words are in `TITLES`. */
export const NEVER_LAST = set(`
  mr mrs ms mx dr prof messrs mme mlle mgr vs cf viz approx e.g i.e eg ie resp ibid
  z.b d.h u.a o.ä v.a i.d.r bzw ca vgl sog evtl ggf inkl exkl bspw zzgl
  p.ex c.-à-d env sr sra srta dña ee.uu p.ej aprox`);

/** Before a name, with a capital. */
export const TITLES = set(`
  Gen Rep Sen Gov Capt Cpt Lt Col Sgt Maj Cmdr Adm Rev Hon Pres Supt Fr Hr Hrn Dipl Ing Mag Mons Don Dn Ste`);

/** No end before a number. In small letters. */
export const BEFORE_NUMBER = set(`
  no nos nr nº num núm n fig figs abb vol vols p pp pg pág págs s f ff eq eqs sec sect ch chap cap kap art ref refs tab bd
  par para pt ex op v jan feb febr mar apr jun jul aug sep sept oct okt nov dec dez janv févr avr juil déc ene abr ago dic
  c circa about tel ext lit zif abs`);

/** The end only where a sentence clearly begins after it. In small letters. */
export const SOMETIMES_LAST = set(`
  etc av inc ltd co corp jr sr st ave blvd rd dept univ assn est al bros mt ft sq ed eds trans usw u.s.w e.v gmbh str
  cie ud uds vd vds apdo avda dto ph.d m.d b.a m.a phd`);

/** Words that begin sentences, and hardly ever names. */
export const STARTERS = set(`
  The A An This That These Those It He She They We You I His Her Their Its Our My In On At For From By With As But And Or So
  If When While After Before Since Because Although Though However Then There Here What Who Why How Where Is Are Was Were
  Did Does Do Not No Yes All Some Many Most Each Both One Two Such Only Another Other
  Der Die Das Den Dem Ein Eine Er Sie Es Wir Ihr Ich Im Am Auf Bei Nach Aber Und Doch Wenn Dann Dies Diese Dieser Dieses Als
  Le La Les Un Une Il Elle Ils Elles Nous Vous Je Ce Cette Ces Dans En Mais Et Au Pour Quand
  El Los Las Una Ella Ellos Pero Y Este Esta Esto Con Por Cuando No Se Su`);

/** After an ordinal number: "am 3. Oktober", "im 19. Jahrhundert". */
export const AFTER_ORDINAL = set(`
  Januar Jänner Februar März April Mai Juni Juli August September Oktober November Dezember Jahrhundert Jahrhunderts Jh Klasse
  Auflage Kapitel Platz`);
