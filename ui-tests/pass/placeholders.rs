//! `{arg}`, `{arg.field.0}` and `{self.field}` in the literal; `{{` and `}}` are braces.
#![deny(warnings)]

use klg_lock::{buffer_lock, mutex_lock};
use klg_lock_ui_tests::{AppError, is_locked, on_memory};

struct Shop {
    name: String,
}

struct Line {
    sku: (u32, &'static str),
}

impl Shop {
    #[mutex_lock("{self.name}:order:{order_id}:{line.sku.1}")]
    async fn ship(&self, order_id: u64, line: &Line) -> Result<(), AppError> {
        assert!(is_locked("north:order:7:bolt").await);
        assert_eq!((order_id, line.sku.0), (7, 1));
        Ok(())
    }
}

#[buffer_lock("{{{user}}}:{{}}")]
async fn braces(user: &str) -> Result<bool, AppError> {
    Ok(is_locked("{ann}:{}").await)
}

#[mutex_lock("raw:{r#type}:{r#type}")]
async fn keyword(r#type: char) -> Result<bool, AppError> {
    Ok(is_locked("raw:x:x").await)
}

#[mutex_lock("{shown}")]
async fn anything_that_displays(shown: impl std::fmt::Display) -> Result<bool, AppError> {
    Ok(is_locked("1.5").await)
}

fn main() {
    on_memory(async {
        let line = Line { sku: (1, "bolt") };
        let shop = Shop {
            name: "north".into(),
        };
        shop.ship(7, &line).await.unwrap();
        assert!(braces("ann").await.unwrap());
        assert!(keyword('x').await.unwrap());
        assert!(anything_that_displays(1.5).await.unwrap());
    });
}
