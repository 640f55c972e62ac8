extension StatusPage {
    /// Dark, for a screen at night; one column on a phone.
    static let style = """
        :root{color-scheme:dark;--back:#101418;--card:#181e24;--line:#2a333c;--text:#d6dde4;--faint:#8b98a5;\
        --good:#5ec27a;--bad:#f0717a;--warn:#e6b455;--hue:#6db3f2}
        *{box-sizing:border-box}
        body{margin:0;background:var(--back);color:var(--text);font:15px/1.5 system-ui,-apple-system,"Segoe UI",\
        "DejaVu Sans",sans-serif}
        main{max-width:1180px;margin:0 auto;padding:20px 16px 48px}
        h1{font-size:20px;margin:0}h2{font-size:13px;margin:32px 0 10px;color:var(--faint);font-weight:600;\
        letter-spacing:.06em;text-transform:uppercase}
        .verdict{border-left:5px solid var(--good);background:var(--card);border-radius:6px;padding:14px 18px}
        .verdict.bad{border-color:var(--bad)}.verdict.warn{border-color:var(--warn)}
        .verdict p{margin:4px 0 0;color:var(--faint)}
        ul{margin:10px 0 0;padding-left:20px}li{margin:4px 0;overflow-wrap:anywhere}
        .plots,.cards{display:grid;gap:12px;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));margin-top:16px}
        .cards{grid-template-columns:repeat(auto-fit,minmax(120px,1fr))}
        .card,.plot{background:var(--card);border-radius:6px;padding:10px 14px;margin:0}
        .card b,.plot b{font-size:20px;font-weight:600;font-variant-numeric:tabular-nums}
        .card span{display:block;color:var(--faint);font-size:13px}
        figcaption{color:var(--faint);font-size:13px}figcaption b{color:var(--text)}
        svg{display:block;width:100%;height:56px;margin:6px 0 2px}
        polyline{fill:none;stroke:var(--hue);stroke-width:1.5;vector-effect:non-scaling-stroke}
        polygon{fill:var(--hue);opacity:.16}
        .bad polyline{stroke:var(--bad)}.bad polygon{fill:var(--bad)}
        .axis{display:flex;justify-content:space-between;color:var(--faint);font-size:11px}
        details{background:var(--card);border-radius:6px;margin:6px 0}
        summary{display:flex;flex-wrap:wrap;gap:2px 14px;align-items:baseline;padding:8px 14px 8px 33px;\
        position:relative;cursor:pointer}
        summary:focus-visible{outline:2px solid var(--hue)}
        summary .name{font-weight:600;flex:1 1 230px;overflow-wrap:anywhere}
        summary .name::before{content:"";position:absolute;left:14px;top:15px;width:9px;height:9px;\
        border-radius:50%;background:var(--good)}
        .broken .name::before{background:var(--bad)}.idle .name::before{background:var(--faint)}
        summary .kind{color:var(--faint);flex:0 0 112px}summary .count{flex:0 0 auto;min-width:104px;text-align:right;\
        color:var(--faint);font-variant-numeric:tabular-nums}
        summary .count b{color:var(--text);font-weight:600}
        .why{flex:1 1 100%;color:var(--bad);overflow-wrap:anywhere}.idle .why{color:var(--faint)}
        .inner{padding:0 14px 12px 33px;overflow-x:auto}
        table{border-collapse:collapse;width:100%;font-size:14px}
        th{color:var(--faint);font-weight:500;text-align:left;font-size:12px}
        th,td{padding:4px 16px 4px 0;border-bottom:1px solid var(--line);vertical-align:top;white-space:nowrap}
        td.wrap{white-space:normal;overflow-wrap:anywhere;min-width:180px}
        tr:last-child td{border-bottom:0}td.number,th.number{text-align:right;font-variant-numeric:tabular-nums}
        .scroll{background:var(--card);border-radius:6px;padding:6px 14px;overflow-x:auto}
        .bad td:first-child,.warnText{color:var(--warn)}
        @media(max-width:640px){summary .kind{flex:1 1 100%}summary .count{min-width:0;text-align:left}\
        th,td{padding-right:10px}td.wrap{min-width:120px}.axis .most{display:none}}
        footer{margin-top:32px;color:var(--faint);font-size:13px}code{font-size:.95em}a{color:var(--hue)}
        """

    /// Shows the page anew every five seconds while it is looked at; what was opened stays open.
    static let script = """
        setInterval(async () => {
          if (document.hidden) return;
          try {
            const answer = await fetch(location.href, {cache: "no-store"});
            // Style and script of the answer carry its own nonce: here they would be refused, and are there already.
            const text = (await answer.text()).replace(/<(style|script)[^]*?<\\/\\1>/g, "");
            const page = new DOMParser().parseFromString(text, "text/html");
            const open = [...document.querySelectorAll("details[open]")].map(d => d.id);
            document.title = page.title;
            const fresh = page.querySelector("main");
            for (const id of open) fresh.querySelector("#" + CSS.escape(id))?.setAttribute("open", "");
            document.querySelector("main").replaceWith(fresh);
          } catch {
            const line = document.querySelector("#age");
            if (line) { line.textContent = "does not answer any more; what is shown is old"; line.className = "warnText"; }
          }
        }, 5000);
        """
}
