/** Style of the first page: light and dark by the system's choice. */
export const pageStyle = `
:root{color-scheme:light dark;--bg:#f7f8fa;--card:#fff;--ink:#17202a;--soft:#5d6b7a;--line:#e2e6eb;--accent:#0b7285;--ok:#2b8a3e;--warn:#b35900;--bad:#c92a2a}
@media(prefers-color-scheme:dark){:root{--bg:#0f1419;--card:#171e26;--ink:#e6edf3;--soft:#93a1b0;--line:#263241;--accent:#3bc9db;--ok:#51cf66;--warn:#ffa94d;--bad:#ff8787}}
*{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
header{padding:24px 32px 8px;max-width:1280px;margin:auto}h1{margin:0;font-size:28px;letter-spacing:-.02em}header p{margin:4px 0;color:var(--soft)}header b{color:var(--ink)}
nav a{margin-right:12px}a{color:var(--accent);text-decoration:none}a:hover{text-decoration:underline}
main{padding:8px 32px 48px;max-width:1280px;margin:auto}h2{font-size:17px;margin:28px 0 8px}h2 small{color:var(--soft);font-weight:400}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(132px,1fr));gap:12px;margin-top:12px}
.tile{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:12px 14px}.tile b{display:block;font-size:24px;font-variant-numeric:tabular-nums}.tile span{color:var(--soft);font-size:13px}
.scroll{overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:10px}
table{border-collapse:collapse;width:100%;font-size:14px}th,td{text-align:left;padding:7px 12px;border-bottom:1px solid var(--line);vertical-align:top}tr:last-child td{border-bottom:0}th{color:var(--soft);font-weight:500;white-space:nowrap}
code{font:13px ui-monospace,monospace}.place,.hint,.note{color:var(--soft)}.hint{font-size:13px}
.badge{display:inline-block;padding:0 8px;border-radius:9px;font-size:12px;border:1px solid currentColor}.badge.error{color:var(--bad)}.badge.warning{color:var(--warn)}.badge.info{color:var(--soft)}
.dot{display:inline-block;width:9px;height:9px;border-radius:50%;margin-right:6px;background:var(--warn)}.dot.live{background:var(--ok)}.dot.gone{background:var(--bad)}
#stale{background:var(--card);border:1px solid var(--accent);border-radius:10px;padding:8px 14px}
`;

/** Refreshes the counts; the tables belong to the revision they were drawn for. */
export const pageScript = `
const shown=document.getElementById('revision').textContent;
const set=(id,value)=>{const node=document.getElementById(id);if(node)node.textContent=typeof value==='number'?value.toLocaleString('en'):value};
async function tick(){
  const dot=document.getElementById('dot');
  try{
    const answer=await fetch('/api/v1/overview');const now=await answer.json();
    for(const id of ['requests','active','connections','noRoute','rateLimited','errors','warnings','quarantined','workers','state'])set(id,now[id]);
    for(const one of now.listeners)for(const what of ['requests','connections']){const node=document.querySelector('[data-'+what+'="'+CSS.escape(one.name)+'"]');if(node)node.textContent=one[what].toLocaleString('en')}
    dot.className='dot '+now.state;
    document.getElementById('stale').hidden=String(now.revision)===shown;
  }catch{dot.className='dot gone';set('state','not reachable')}
}
setInterval(()=>{if(!document.hidden)tick()},2000);
`;
